"""What a run shows beyond its rows: sweeps, crossovers, fairness, latency under load."""
