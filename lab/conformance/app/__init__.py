"""Runs inside the tried workers; imports nothing of Poolbench."""
