"""Records a worker of any Celery app into a local file. Standard library and Celery only."""
