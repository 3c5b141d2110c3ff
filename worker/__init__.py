"""Runs jobs: the Celery app, the work as plain functions, and the command that starts a worker."""
