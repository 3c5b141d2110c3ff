"""What runs in the Python of a user's app when experiments try its tasks.

``python -m poolbench.userapp`` describes the app and captures its messages, and
`poolbench.userapp.worker` starts its workers. Standard library and the app's own Celery only.
"""

#: Variable of a worker that tries the tasks of an app: the app's module, as after ``celery -A``.
APP = "POOLBENCH_APP"

#: Variables that override an app's own broker and result backend.
BROKER_VARIABLES = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
BACKEND_VARIABLE = "CELERY_RESULT_BACKEND"

#: Where an app publishes while its messages are captured.
MEMORY_BROKER = "memory://"

#: Most messages of one call with different arguments; later jobs repeat them in turn.
MAX_MESSAGES = 1_000
