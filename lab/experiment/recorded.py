"""Turns recordings into workloads: a mix of their tasks, and the jobs of its trials."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collector.files import storage_errors
from collector.recording import Recording, read_recording
from collector.run_manifest import AppCall, RecordedSource, Workload
from lab.experiment.model import MIX
from lab.replay.replay import Replay, read_replays
from producer.arrivals import Recorded

#: What can be measured of a recorded workload; the first is the default.
RECORDED_MEASURES = ("rate", "capacity", "sustain", "curve")


def recorded_workloads(
    *paths: Path,
    name: str,
    measure: str = RECORDED_MEASURES[0],
    speed: float = 1.0,
    from_s: float = 0.0,
    to_s: float | None = None,
    tasks: Sequence[str] = (),
    calls: Mapping[str, AppCall] | None = None,
    slo: Mapping[str, float] | None = None,
    recording: Recording | None = None,
) -> list[tuple[Workload, Replay]]:
    """Return the workload of a recording with its jobs.

    There are two workloads, with the GIL held and with it released, if it is unknown which
    computing holds it and that matters.

    Args:
        paths: files of the recording.
        name: of the workload.
        measure: one of `RECORDED_MEASURES`; capacity is a backlog in the recorded order.
        speed: how much faster the jobs arrive.
        from_s: begin of the part to repeat, seconds since the recording's begin.
        to_s: its end; None for all.
        tasks: the tasks to repeat; empty for all.
        calls: arguments of tasks that the user's app runs itself.
        slo: bounds on its jobs; None for the file's.
        recording: the files as read, if they are.

    Raises:
        UsageError: if no job is in this part, or a task is not recorded.
        StorageError: if a file can't be read, or is no recording.
        PoolbenchError: if it has no execution.
    """
    recording = recording or read_recording(*paths)
    source = RecordedSource(
        file=", ".join(map(str, paths)),
        sha256=_digest(paths),
        from_s=from_s,
        to_s=to_s,
        speed=speed,
        tasks=tuple(tasks),
    )
    replays = read_replays(
        recording,
        source,
        from_s=from_s,
        to_s=math.inf if to_s is None else to_s,
        tasks=tasks,
        calls=calls,
    )
    return [(_workload(replay, name=name, measure=measure, slo=slo), replay) for replay in replays]


def _workload(
    replay: Replay, *, name: str, measure: str, slo: Mapping[str, float] | None
) -> Workload:
    known: dict[str, Any] = {"rate_per_s": replay.rate_per_s, "count": replay.count}
    arrivals = {"how": Recorded.how, **(known if measure == "rate" else {})}
    which = replay.source.unknown_as
    return Workload(
        name=f"{name} (GIL {which})" if which else name,
        kind=MIX,
        parameters={},
        measure=measure,
        arrivals=None if measure == "capacity" else arrivals,
        mix=replay.parts,
        slo=slo,
        recorded=replay.source,
    )


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with storage_errors(path), path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
