"""One trial: its workers, its jobs, and what they used."""
