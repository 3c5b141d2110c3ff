"""What slots did when, in a run with lanes: read from its recordings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from collector.recording import read_recording
from collector.run_manifest import LaneTrial, Manifest
from collector.store import RunFolder
from report.analyses.slot_lanes import SlotLanes, lanes_of
from report.charts.chart import Chart
from report.charts.slots import slot_chart


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadLanes:
    """The lanes of one workload, a worker or a group of workers for each contender."""

    workload: str
    #: Parameters and options of the jobs, as text.
    jobs: str
    lanes: tuple[SlotLanes, ...]
    #: Warnings, in whole sentences.
    notes: tuple[str, ...] = ()

    @property
    def chart(self) -> Chart:
        """Return its chart."""
        chart = slot_chart(
            self.lanes,
            name=f"lanes-{self.workload}",
            title=f"What each slot does: {self.workload}",
        )
        return replace(chart, notes=(*self.notes, *chart.notes))


def read_lanes(folder: RunFolder, *, manifest: Manifest) -> list[WorkloadLanes]:
    """Return the lanes of a run, in the order of its workloads.

    Raises:
        StorageError: if a recording can't be read.
    """
    by_workload: dict[str, list[LaneTrial]] = {}
    for trial in manifest.lanes:
        by_workload.setdefault(trial.workload, []).append(trial)
    recordings = {
        files: read_recording(*(folder.path / file for file in files))
        for files in {trial.files for trial in manifest.lanes}
    }
    found = []
    for workload, trials in by_workload.items():
        drawn = [
            lanes_of(
                recordings[one.files],
                name=one.contender,
                from_ns=one.from_ns,
                to_ns=one.to_ns,
                published_ns=one.from_ns,
            )
            for one in trials
        ]
        notes = [
            f"{one.contender}: {one.sent - one.done} of {one.sent} jobs didn't end."
            for one in trials
            if one.done < one.sent
        ]
        lanes = tuple(one for one in drawn if one is not None)
        if lanes:
            found.append(
                WorkloadLanes(
                    workload=workload, jobs=trials[0].jobs, lanes=lanes, notes=tuple(notes)
                )
            )
    return found
