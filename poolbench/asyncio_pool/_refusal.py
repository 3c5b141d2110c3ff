"""Imported first by the pool: ends a worker with one line and exit code 2 if the pool can't run.

Celery imports a pool before it reads its command line, so an exception would show a traceback.
"""

from __future__ import annotations

import sys

from . import obstacle

if _problem := obstacle():
    sys.stderr.write(f"poolbench: {_problem}\n")
    sys.exit(2)
