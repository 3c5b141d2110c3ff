"""What runs in the Python of a user's app when experiments try its tasks.

``python -m poolbench.userapp`` describes the app and captures its messages, and
`poolbench.userapp.worker` starts its workers. Standard library and the app's own Celery only.
"""
