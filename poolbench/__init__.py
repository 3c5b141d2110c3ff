"""The wheel: the contract between all Poolbench processes, and what runs in other people's workers.

It uses only the standard library and Celery, from Python 3.10 and Celery 5.3 on. greenlet is
needed by the asyncio pool alone, and redis where lines go to Redis.
"""

#: Version of the project, recorded in every manifest; the wheel has it from here.
__version__ = "0.1.0"

#: Oldest Celery whose workers are recorded, and whose apps are tried.
OLDEST_CELERY = (5, 3)
