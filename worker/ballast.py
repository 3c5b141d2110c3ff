"""Makes the import of the app as slow and as large as that of another app."""

from __future__ import annotations

import time
from collections.abc import Mapping

from poolbench.start import IMPORT_MB, IMPORT_MS


def take_on(environ: Mapping[str, str]) -> bytes:
    """Compute for `IMPORT_MS` of this thread's CPU time; return `IMPORT_MB` of memory in use.

    The memory counts as long as the returned object is kept. Every page is written, so that none
    is a page of zeros without memory. The children of a fork share it.
    """
    until_s = time.thread_time() + float(environ.get(IMPORT_MS, 0)) / 1_000
    while time.thread_time() < until_s:
        pass
    return b"\1" * round(float(environ.get(IMPORT_MB, 0)) * 1e6)
