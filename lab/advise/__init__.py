"""Advises which pool, slots and settings fit a recorded app: by named rules, then by measuring."""
