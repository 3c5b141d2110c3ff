"""Prepares an experiment on a user's app: refuses what could reach its production, before a run.

The app's own Python is asked where its messages and results would go; nothing is sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

from collector.run_manifest import Contender, Part, Skipped, WorkerGroup
from lab.app.python import AppDescription, describe
from lab.experiment.model import Experiment
from lab.system.redis_server import free_port
from poolbench.errors import Fault, UsageError
from poolbench.format import listed
from poolbench.settings import Settings

#: Why a run needs `--i-know`.
SIDE_EFFECTS = (
    "the tasks of an app run as they are: their mails, payments and changes of databases are real. "
    "Only Celery's broker and result backend are Poolbench's own"
)


def refuse_unsafe(experiment: Experiment, *, settings: Settings, is_known: bool) -> None:
    """Refuse a run on a user's app without ``--i-know``, or on a broker of somebody else's.

    Raises:
        UsageError: with each reason.
    """
    if experiment.app is None:
        return
    faults = []
    if settings.redis_is_explicit:
        faults.append(
            Fault(
                where=experiment.file,
                field="POOLBENCH_REDIS_URL",
                problem="a run with [app] has a server of its own, which no one else uses",
                remedy="unset it",
            )
        )
    if not is_known:
        remedy = "point the app at resources that may be changed, then add --i-know"
        faults.append(Fault(where=experiment.file, problem=SIDE_EFFECTS, remedy=remedy))
    if faults:
        raise UsageError(*faults)


def equip_app(experiment: Experiment) -> Experiment:
    """Return the experiment with the description of its app, and without contenders it can't run.

    Contenders without queues of their own consume all queues of the app. Without an app, the
    experiment is unchanged.

    Raises:
        UsageError: if the app can't be tried, with every reason.
    """
    app = experiment.app
    if app is None:
        return experiment
    # no server yet: an address that no app has by itself
    url = f"redis://:{secrets.token_hex(16)}@127.0.0.1:{free_port()}/1"
    described = describe_at(experiment, broker_url=url)
    skipped = [
        skip for one in experiment.contenders if (skip := _skip(one, described, python=app.python))
    ]
    left_out = {one.contender for one in skipped}
    kept = tuple(
        _with_queues(one, described) for one in experiment.contenders if one.name not in left_out
    )
    if not kept:
        raise UsageError(
            *(
                Fault(
                    where=experiment.file,
                    problem=f"profile {experiment.profile} has no contender that the app can run",
                    seen=f"{one.contender}: {one.reason}",
                    remedy=one.remedy,
                )
                for one in skipped
            )
        )
    found = replace(
        experiment,
        contenders=kept,
        described=described,
        skipped=(*experiment.skipped, *skipped),
    )
    if faults := [*_unconsumed(found)]:
        raise UsageError(*faults)
    return found


def describe_at(experiment: Experiment, *, broker_url: str) -> AppDescription:
    """Return the description of an experiment's app with this broker in its environment.

    Raises:
        UsageError: if the app can't be tried, or doesn't use this broker everywhere.
    """
    assert experiment.app is not None, "an experiment with tasks has an app"
    tasks = sorted({part.kind for part in tasks_of(experiment)})
    described = describe(experiment.app, broker_url=broker_url, tasks=tasks, where=experiment.file)
    if faults := [*_unsafe(described, where=experiment.file)]:
        raise UsageError(*faults)
    return described


def tasks_of(experiment: Experiment) -> Iterator[Part]:
    """Yield the parts of all workloads that are tasks of the app."""
    for workload in experiment.drawn_or_measured:
        yield from (part for part in workload.mix if part.call is not None)


def warnings_of(experiment: Experiment) -> Iterator[str]:
    """Yield what may make an app's contender slower than it seems, a line each."""
    described = experiment.described
    if described is None:
        return
    names = [
        one.name
        for one in experiment.contenders
        if any(group.pool == "gevent" for group in one.crew)
    ]
    if names and described.blocking_drivers:
        drivers = listed(list(described.blocking_drivers))
        yield f"{listed(names)}: {drivers} in the app's Python may block all greenlets of a worker"
    if described.left_out:
        options = listed(list(described.left_out))
        yield f"broker_transport_options: {options} is left out: it would change the queues' keys"


def queue_of(part: Part, *, described: AppDescription) -> str:
    """Return the queue of a task's jobs; empty if the app's router decides by the call."""
    task = described.tasks.get(part.kind)
    return part.options.queue or (task.queue if task else "")


def _unsafe(described: AppDescription, *, where: str) -> Iterator[Fault]:
    for place in described.places:
        if not place.is_ours:
            remedy = "let the app read it from the environment, or unset it for this run"
            problem = f"{place.setting} of the app is not Poolbench's: {place.reason}"
            yield Fault(where=where, problem=problem, remedy=remedy)
    if described.is_eager:
        problem = "task_always_eager of the app is set: its tasks would run here, without a worker"
        yield Fault(where=where, problem=problem, remedy="unset it for this run")


def _skip(contender: Contender, described: AppDescription, *, python: str) -> Skipped | None:
    """Return why the app's Python can't run a contender; None if it can run all its groups."""
    for group in contender.crew:
        reason = described.pools.get(group.pool, "")
        if reason:
            remedies = {
                "gevent": f"get it: {python} -m pip install gevent",
                "asyncio": "use Python 3.11 or newer, with 'poolbench[asyncio]' installed",
            }
            return Skipped(
                contender=contender.name,
                reason=f"pool {group.pool} can't run in the app's Python: {reason}",
                remedy=remedies.get(group.pool, "use another pool"),
            )
    return None


def _with_queues(contender: Contender, described: AppDescription) -> Contender:
    """Return a contender whose groups have the names of the queues that they consume."""
    routed = {task.queue for task in described.tasks.values() if task.queue}
    every = tuple(sorted({*described.queues, *routed, described.default_queue}))

    def filled(group: WorkerGroup) -> tuple[str, ...]:
        return group.queues or every

    groups = tuple(replace(group, queues=filled(group)) for group in contender.groups)
    return replace(contender, groups=groups, queues=() if groups else filled(contender))


def _unconsumed(experiment: Experiment) -> Iterator[Fault]:
    """Yield the tasks whose queue a contender's workers don't consume: they would wait for ever."""
    assert experiment.described is not None
    for contender in experiment.contenders:
        for part in tasks_of(experiment):
            queue = queue_of(part, described=experiment.described)
            if queue and queue not in contender.queues_consumed:
                yield Fault(
                    where=experiment.file,
                    problem=f"no worker of {contender.name} consumes queue {queue} of {part.kind}",
                    remedy="add it to queues, or leave queues out to consume all of the app's",
                )
