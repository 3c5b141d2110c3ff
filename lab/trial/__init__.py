"""One trial: its workers, its jobs, and their resource usage."""
