"""Runs jobs: the Celery app, the jobs' functions, and the command that starts a worker."""
