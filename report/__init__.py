"""Explains a run: what its records show, as a summary, terminal tables and a page."""
