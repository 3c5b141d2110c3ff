"""Conducts an experiment: blocks, pilots, trials in sequence, rate searches."""
