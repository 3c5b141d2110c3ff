"""Explains a run: what its records say, as a summary, terminal tables and a page."""
