"""Names of the environment variables by which the lab and a worker measure a start. Data only."""

from __future__ import annotations

from typing import Final

#: CPU time that the import of the app takes in addition, milliseconds, as a number.
IMPORT_MS: Final = "POOLBENCH_IMPORT_MS"

#: Memory that the app keeps in addition, megabytes (10^6 bytes), as a number.
IMPORT_MB: Final = "POOLBENCH_IMPORT_MB"

#: When a worker's process executed ``celery``, Unix ns. A worker sets it for itself.
EXECUTED_NS: Final = "POOLBENCH_EXECUTED_NS"
