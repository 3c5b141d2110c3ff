"""Tries the promises of Celery's documentation on real workers of each pool."""
