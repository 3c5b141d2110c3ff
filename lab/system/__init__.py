"""Processes, signals, the embedded server and this checkout's paths."""
