"""The collector stores lines from Redis in a run's folder, and folds and counts them."""
