"""What the recorder's process observes of a worker from outside, beside the worker's own lines."""

from __future__ import annotations

from typing import Any

from poolbench.recording.settings import RecordingSettings


class Observer:
    """Sees each line as it arrives and adds lines of its own. This one observes nothing."""

    #: Interval between two calls of `observe`, seconds.
    interval_s = 0.1

    #: CPU time of the sampling, a part of the recorder's, seconds.
    sampler_cpu_s = 0.0

    def opening(self) -> dict[str, Any]:
        """Return the members of the `recording` line that describe the sampling."""
        return {"sample_hz": 0, "gil": "unknown", "gil_reason": "thread states are not sampled"}

    def observe(self, lines: bytes) -> bytes:  # noqa: ARG002 -- what a real one sees
        """Return lines to append after ``lines``, the complete ones since the last call.

        It is called every `interval_s`, also without lines. Both are whole lines with their ends.
        """
        return b""

    def end(self) -> bytes:
        """Return the last lines, of executions that still run."""
        return b""


def observer_of(settings: RecordingSettings) -> Observer:  # noqa: ARG001 -- for a real one
    """Return the observer of a worker, by what this system offers."""
    return Observer()
