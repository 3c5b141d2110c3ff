"""The settings of a recording, from its own environment variables and nothing else.

A recorded app may have a ``.env`` of its own, so this module doesn't read that file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from poolbench.arguments import read_span_s
from poolbench.errors import Fault, UsageError

#: Environment variables: the file to record into, its largest size, the duration of the recording,
#: whether a helper thread measures the GIL, and whether lanes are recorded. Without the first,
#: nothing is recorded.
RECORD = "POOLBENCH_RECORD"
MAX_SIZE = "POOLBENCH_RECORD_MAX_SIZE"
DURATION = "POOLBENCH_RECORD_FOR"
GIL_PROBE = "POOLBENCH_RECORD_GIL_PROBE"
LANES = "POOLBENCH_RECORD_LANES"

#: Largest size of a recording by default, bytes.
DEFAULT_MAX_SIZE_BYTES = 200_000_000

_SIZE_BOUNDS = (10_000_000, 1_000_000_000_000)
_DURATION_BOUNDS_S = (1.0, 7 * 86_400.0)

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)?\s*", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "B": 1, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """The settings of a recording; its recorder gets them as the pipe's first line."""

    #: Path of the file.
    path: str
    #: Largest size on disk, bytes; beyond it the oldest part is dropped.
    max_size_bytes: int = DEFAULT_MAX_SIZE_BYTES
    #: Duration, after which the worker continues alone, seconds; 0 for the worker's life.
    for_s: float = 0.0
    #: Whether a helper thread in each process measures how late it gets the GIL.
    gil_probe: bool = False
    #: Whether the timelines of threads and of turns are recorded, for pictures.
    lanes: bool = False
    #: The pipe's private folder, removed after the recording; empty if none.
    folder: str = ""
    #: Process id of the worker, and its name before the host, as that of a contender.
    worker_pid: int = 0
    contender: str = ""

    def encode(self) -> bytes:
        """Return the settings as the pipe's first line."""
        return json.dumps(asdict(self)).encode() + b"\n"


def load_recording_settings(environ: Mapping[str, str] | None = None) -> RecordingSettings:
    """Return the settings in the environment.

    Raises:
        UsageError: with every invalid value, and if `RECORD` is not set.
    """
    found = os.environ if environ is None else environ
    faults: list[Fault] = []

    def read(name: str, parse: Callable[[str, str], T], default: T) -> T:
        try:
            return parse(found[name], name) if found.get(name) else default
        except UsageError as error:
            faults.extend(error.faults)
            return default

    path = found.get(RECORD, "")
    if not path:
        faults.append(Fault(field=RECORD, problem="must be the path of a file"))
    settings = RecordingSettings(
        path=path,
        max_size_bytes=read(MAX_SIZE, read_size_bytes, DEFAULT_MAX_SIZE_BYTES),
        for_s=read(DURATION, read_duration_s, 0.0),
        gil_probe=read(GIL_PROBE, _read_switch, default=False),
        lanes=read(LANES, _read_switch, default=False),
    )
    if faults:
        raise UsageError(*faults)
    return settings


def read_size_bytes(text: str, field: str) -> int:
    """Return the bytes that a text means: ``200MB``, ``1.5GB``, ``5000000``.

    Raises:
        UsageError: if it is no size, or out of bounds; ``field`` names it.
    """
    low, high = _SIZE_BOUNDS
    match = _SIZE.fullmatch(text)
    size_bytes = int(float(match[1]) * _SIZE_UNITS[(match[2] or "").upper()]) if match else 0
    if not low <= size_bytes <= high:
        raise UsageError(
            Fault(field=field, seen=repr(text), problem="must be a size from 10MB to 1000GB")
        )
    return size_bytes


def read_duration_s(text: str, field: str) -> float:
    """Return the seconds that a text means: ``10m``, ``1h30m``, ``90s``, ``90``.

    Raises:
        UsageError: if it is no time, or out of bounds; ``field`` names it.
    """
    low_s, high_s = _DURATION_BOUNDS_S
    duration_s = read_span_s(text)
    if not low_s <= duration_s <= high_s:
        raise UsageError(
            Fault(
                field=field, seen=repr(text), problem="must be a time from 1s to 168h, such as 10m"
            )
        )
    return duration_s


def _read_switch(text: str, field: str) -> bool:
    if text not in {"0", "1"}:
        raise UsageError(Fault(field=field, seen=repr(text), problem="must be 0 or 1"))
    return text == "1"
