"""Stores lines from Redis in a run's folder, folds them into records, and computes figures."""
