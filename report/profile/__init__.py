"""The profile of a recorded app: its jobs, and what its worker's settings did to them."""
