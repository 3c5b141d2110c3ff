"""Tries on real workers what Celery's documentation promises, pool by pool."""
