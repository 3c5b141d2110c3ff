"""The figures of one trial, and what disturbed it."""
