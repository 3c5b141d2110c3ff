"""Comparisons between contenders, and what they prove."""
