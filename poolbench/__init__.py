"""What every Poolbench process agrees on, and the probe that enters workers.

Standard library and Celery only: this package runs inside other people's workers.
"""

#: Version of the project; it is in every manifest.
__version__ = "0.1.0"
