"""Poolbench's own worker pools."""
