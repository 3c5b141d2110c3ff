"""Compares two runs, and writes the comparison for people and programs."""
