"""Reads an experiment file and reports every fault in it."""
