"""Makes the jobs of a trial from a recording: each recorded execution as a stand-in."""
