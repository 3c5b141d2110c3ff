"""Reads an experiment's TOML file and reports every fault in it."""
