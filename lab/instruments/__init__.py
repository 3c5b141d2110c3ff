"""Measures processes, the machine, and what a job costs without Celery."""
