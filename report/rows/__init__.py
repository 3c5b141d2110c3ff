"""One contender on one workload: its figures, marks and reasons."""
