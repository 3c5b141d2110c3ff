"""The collector gathers what happened: lines from Redis into a run's folder, folded and counted."""
