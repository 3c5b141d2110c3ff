"""The contract between all Poolbench processes, and the probe that runs in workers.

It uses only the standard library and Celery, since it runs inside other people's workers.
"""

#: Version of the project, recorded in every manifest.
__version__ = "0.1.0"
