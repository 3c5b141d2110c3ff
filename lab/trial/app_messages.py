"""The captured messages of a user's tasks: a file for each call, for all trials of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from collector.run_manifest import AppCall, Part
from lab.app.python import TaskCall, capture
from lab.experiment.app import tasks_of
from lab.experiment.model import Experiment
from poolbench.job_options import JobOptions
from poolbench.userapp import MAX_MESSAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessages:
    """The messages of one task with its arguments and options."""

    task: str
    call: AppCall
    options: JobOptions
    #: File of the messages, as `producer.mixes.MixPart.messages` names it.
    path: str


def capture_messages(experiment: Experiment, *, folder: Path) -> tuple[TaskMessages, ...]:
    """Capture the messages of an experiment's tasks into files of ``folder``; nothing is sent.

    Raises:
        UsageError: if a task, or the function of its arguments, refuses its call.
    """
    assert experiment.app is not None, "an experiment with tasks has an app"
    parts: list[Part] = []
    for part in tasks_of(experiment):
        if not any(_is_alike(part, other) for other in parts):
            parts.append(part)
    calls = [
        TaskCall(
            task=part.kind,
            call=part.call or AppCall(),
            count=MAX_MESSAGES,
            options=_options(part.options),
        )
        for part in parts
    ]
    if not calls:
        return ()
    paths = capture(experiment.app, calls, folder=folder, where=experiment.file)
    return tuple(
        TaskMessages(task=one.task, call=one.call, options=part.options, path=str(path))
        for part, one, path in zip(parts, calls, paths, strict=True)
    )


def path_of(part: Part, *, among: Iterable[TaskMessages]) -> str:
    """Return the file of a part's messages; empty for Poolbench's own kinds."""
    if part.call is None:
        return ""
    # the plan of a trial names the queue that the app's routes give
    options = (part.options, replace(part.options, queue=""))
    return next(
        one.path
        for one in among
        if (one.task, one.call) == (part.kind, part.call) and one.options in options
    )


def _is_alike(part: Part, other: Part) -> bool:
    return (part.kind, part.call, part.options) == (other.kind, other.call, other.options)


def _options(options: JobOptions) -> dict[str, float | int | str]:
    """Return the options of ``apply_async``; those left out are the app's own."""
    given: Sequence[tuple[str, float | int | str | None]] = (
        ("queue", options.queue or None),
        ("priority", options.priority),
        ("countdown", options.countdown_s or None),
        ("expires", options.expires_s or None),
    )
    return {name: value for name, value in given if value is not None}
