"""What an experiment consists of, as values."""
