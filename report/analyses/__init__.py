"""Analyses over several rows: sweeps, crossovers, fairness, latency under load."""
