"""`python -m worker`: runs a Celery worker, or measures the work without Celery."""

from __future__ import annotations

import sys

from worker.cli import main

if __name__ == "__main__":
    sys.exit(main())
