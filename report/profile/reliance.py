"""Finds what an app relies on, and which settings are not in effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from collector.recording import RecordedWorker, Recording
from poolbench.records import Outcome
from report import format as fmt
from report.profile.levels import slots_of
from report.profile.model import PrefetchUse, Reliance, Unmet, Verdicts

#: Beginning of the names of Celery's own tasks, which every app has.
_OF_CELERY = "celery."

#: Most tasks that are named as showing one feature.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feature:
    """A feature that a configuration shows."""

    title: str
    #: Name of the promise that tries it.
    promise: str
    #: Option of a task, and of the worker's command line; Celery's setting. Empty without one.
    task: str = ""
    worker: str = ""
    setting: str = ""


_CONFIGURED = (
    _Feature(
        title="soft time limit",
        promise="soft-limit",
        task="soft_time_limit",
        worker="soft_time_limit",
        setting="task_soft_time_limit",
    ),
    _Feature(
        title="hard time limit",
        promise="hard-limit",
        task="time_limit",
        worker="time_limit",
        setting="task_time_limit",
    ),
    _Feature(
        title="late acknowledgement",
        promise="acks-late-full",
        task="acks_late",
        setting="task_acks_late",
    ),
    _Feature(
        title="redelivery after a kill",
        promise="redelivery",
        task="acks_late",
        setting="task_acks_late",
    ),
    _Feature(
        title="survival of a job's crash",
        promise="crash",
        task="reject_on_worker_lost",
        setting="task_reject_on_worker_lost",
    ),
    _Feature(
        title="max tasks per child",
        promise="max-tasks-per-child",
        worker="max_tasks_per_child",
        setting="worker_max_tasks_per_child",
    ),
    _Feature(
        title="max memory per child",
        promise="max-memory-per-child",
        worker="max_memory_per_child",
        setting="worker_max_memory_per_child",
    ),
    _Feature(title="autoscale", promise="autoscale", worker="autoscale"),
    _Feature(
        title="no prefetching",
        promise="disable-prefetch",
        worker="disable_prefetch",
        setting="worker_disable_prefetch",
    ),
    _Feature(
        title="soft shutdown", promise="soft-shutdown", setting="worker_soft_shutdown_timeout"
    ),
    _Feature(
        title="rate limit",
        promise="rate-limit",
        task="rate_limit",
        setting="task_default_rate_limit",
    ),
)


def relied_on(recording: Recording, *, verdicts: Verdicts) -> tuple[Reliance, ...]:
    """Return the features that the configuration or the jobs show, each with its verdicts."""
    counts = dict(recording.jobs.group_by("kind").len().iter_rows())
    configured = (
        _configured(feature, recording=recording, counts=counts, verdicts=verdicts)
        for feature in _CONFIGURED
    )
    return (
        *(one for one in configured if one),
        *_shown_by_jobs(recording.jobs, verdicts=verdicts),
    )


def unmet_settings(
    recording: Recording, *, verdicts: Verdicts, prefetch: Sequence[PrefetchUse]
) -> tuple[Unmet, ...]:
    """Return the settings that were asked for and are not in effect, by worker."""
    found: list[Unmet] = []
    for at, session in enumerate(recording.sessions):
        worker = session.worker
        if worker is not None:
            slots, is_fixed = slots_of(recording, session=at)
            found += _ignored(worker, recording=recording, verdicts=verdicts)
            found += _overridden(worker)
            found += _slots(worker, slots=slots if is_fixed else 0, cores=session.cores)
    found += [
        Unmet(
            worker=one.worker,
            asked=f"prefetch count {one.asked} (multiplier × slots)",
            effect=f"the worker began with {one.start}",
        )
        for one in prefetch
        if one.asked is not None and one.start != one.asked
    ]
    # a restarted worker has the same ones again
    return tuple(dict.fromkeys(found))


def _configured(
    feature: _Feature,
    *,
    recording: Recording,
    counts: Mapping[str, int],
    verdicts: Verdicts,
) -> Reliance | None:
    tasks = _tasks_with(feature, recording=recording)
    by_worker = [text for worker in recording.workers for text in _asked(feature, worker=worker)]
    if not tasks and not by_worker:
        return None
    named = [f"{name}: {feature.task} = {_written(value)}" for name, value in tasks.items()]
    if len(named) > _NAMED:
        named[_NAMED:] = [f"{len(named) - _NAMED} more tasks"]
    concerned = counts.values() if by_worker else [counts.get(name, 0) for name in tasks]
    return Reliance(
        feature=feature.title,
        shown_by=(*dict.fromkeys(by_worker), *named),
        executions=sum(concerned),
        pools=verdicts.of(feature.promise),
    )


def _tasks_with(feature: _Feature, *, recording: Recording) -> dict[str, object]:
    """Return the tasks that have a feature's option, with its value."""
    if not feature.task:
        return {}
    # a task without an option of its own has that of the setting
    of_all = {worker.settings.get(feature.setting) for worker in recording.workers}
    return {
        name: value
        for name, options in sorted(recording.tasks.items())
        if not name.startswith(_OF_CELERY)
        and (value := options.get(feature.task))
        and of_all != {value}
    }


def _asked(feature: _Feature, *, worker: RecordedWorker) -> Iterator[str]:
    """Yield how a worker's options or settings ask for a feature."""
    if feature.worker and (value := worker.options.get(feature.worker)):
        option = f"--{feature.worker.replace('_', '-')}"
        yield option if value is True else f"{option} {_written(value)}"
    elif feature.setting and (value := worker.settings.get(feature.setting)):
        yield f"{feature.setting} = {_written(value)}"


def _written(value: object) -> str:
    """Return a value as a person writes it in a setting."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown_by_jobs(jobs: pl.DataFrame, *, verdicts: Verdicts) -> Iterator[Reliance]:
    """Yield the features that no configuration shows, and jobs do."""
    revoked = jobs.filter(pl.col("outcome") == Outcome.REVOKED.value)
    has_started = revoked["started_ns"].is_not_null()
    # kombu gives each message a priority, usually 0
    priorities = jobs["priority"].drop_nulls()
    of_canvas = jobs.filter(
        pl.col("parent_id").is_not_null() | (pl.col("task_id") != pl.col("root_id"))
    )
    for feature, promise, what, executions in (
        (
            "countdowns and retries",
            "eta",
            "jobs with an earliest start",
            jobs["eta_ns"].count(),
        ),
        (
            "priorities",
            "",
            f"jobs of {priorities.n_unique()} priorities",
            int((priorities > 0).sum()),
        ),
        (
            "chains, groups and chords",
            "chord",
            "jobs that another job began",
            of_canvas.height,
        ),
        (
            "revoke of a waiting job",
            "revoke-waiting",
            "jobs that were revoked before they started",
            int((~has_started).sum()),
        ),
        (
            "terminate of a running job",
            "terminate-running",
            "jobs that were revoked while they ran",
            int(has_started.sum()),
        ),
    ):
        if executions:
            yield Reliance(
                feature=feature,
                shown_by=(what,),
                executions=executions,
                pools=verdicts.of(promise),
            )


def _ignored(
    worker: RecordedWorker, *, recording: Recording, verdicts: Verdicts
) -> Iterator[Unmet]:
    """Yield what a worker's own pool ignores of what the app is configured for."""
    for feature in _CONFIGURED:
        verdict = verdicts.of(feature.promise).get(worker.pool)
        if verdict is None or verdict.outcome != "ignored":
            continue
        tasks = _tasks_with(feature, recording=recording)
        named = [*tasks][:_NAMED]
        if len(tasks) > _NAMED:
            named.append(f"{len(tasks) - _NAMED} more")
        by_task = [f"{feature.task} of {fmt.listed(named)}"] if tasks else []
        for asked in (*_asked(feature, worker=worker), *by_task):
            effect = f"ignored by {worker.pool}: {verdict.seen}"
            yield Unmet(worker=worker.name, asked=asked, effect=effect)


def _overridden(worker: RecordedWorker) -> Iterator[Unmet]:
    """Yield the options and settings of which the worker has made something else."""
    for name, effect in worker.effective.items():
        option = worker.options.get(name)
        settings = (f"{kind}_{name}" for kind in ("worker", "task"))
        for asked, text in (
            (option, f"--{name.replace('_', '-')} {_written(option)}"),
            *((worker.settings.get(one), one) for one in settings),
        ):
            if asked is not None and asked != effect:
                written = text if asked is option else f"{text} = {_written(asked)}"
                why = ", by the command line" if option == effect else ""
                yield Unmet(
                    worker=worker.name,
                    asked=written,
                    effect=f"{_written(effect)} is in effect{why}",
                )


def _slots(worker: RecordedWorker, *, slots: int, cores: float | None) -> Iterator[Unmet]:
    """Yield a number of slots that the worker doesn't have, or more processes than cores.

    ``slots`` is 0 if it is unknown or changes.
    """
    asked = worker.options.get("concurrency")
    if isinstance(asked, int) and asked and slots and slots != asked:
        yield Unmet(worker=worker.name, asked=f"-c {asked}", effect=f"it has {slots} slots")
    if worker.pool == "prefork" and cores and slots > cores:
        source = f"-c {slots}" if asked else f"{slots} slots, Celery's default"
        effect = f"{slots} processes share {cores:g} cores: jobs that compute wait for one"
        yield Unmet(worker=worker.name, asked=source, effect=effect)
