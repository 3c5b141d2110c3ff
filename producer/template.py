"""A trial's messages, captured from a real `apply_async`, with placeholders for what differs.

Two messages of one kind differ only in their ids, the delivery tag, times and Poolbench's own
header; all other text is as Celery and kombu write it. Formatting the text is about fifty times as
fast as calling Celery.
"""

from __future__ import annotations

import os
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple

from celery import Celery
from kombu import Connection
from kombu.transport import memory
from kombu.utils.json import dumps

from poolbench.errors import StackError
from poolbench.job_options import JobOptions
from poolbench.jobs import ENDING, HEADER, PAYLOAD, JobHeader
from poolbench.keys import PRIORITY_STEPS, list_key, queue_name
from poolbench.records import TrialPlan
from producer.queue_writer import Batch

#: Values of one message: id, seq, due_ns, sent_ns, and the times of its countdown and its expiry.
_Values = tuple[bytes | int, ...]

#: Index into `_Values` of each placeholder that a message must have, sorted.
_PLACEHOLDERS = (0, 0, 0, 0, 1, 2, 3)

#: How each of `_Values` is written, in place of a JSON text.
_HOLES = ('"%b"', "%d", "%d", "%d", '"%b"', '"%b"')


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPart:
    """The jobs of one part of a mix that end alike."""

    #: Sent in the job's header, so that its record contains it.
    name: str
    kind: str
    parameters: Mapping[str, int | float]
    #: All of the jobs fail, all are retried, or none: the shares are 0 or 1.
    options: JobOptions = field(default_factory=JobOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The part of each job of a trial."""

    parts: tuple[MixPart, ...]
    #: By seq, an index into ``parts``; at least as long as the trial has jobs.
    order: Sequence[int]
    #: Priorities that have a list of their own in Redis, ascending: the consumer's setting
    #: ``priority_steps``.
    priority_steps: Sequence[int] = PRIORITY_STEPS


class _Form(NamedTuple):
    """A protocol-2 message in kombu's wire form, with placeholders for `_Values`."""

    text: bytes
    #: Returns values in the order of the placeholders.
    in_order: Callable[[_Values], tuple[Any, ...]]
    #: Key of the list that the consumer takes it from.
    key: bytes
    #: Times from the due time until a slot may start the job, and until it expires, ns; None
    #: without any.
    delays_ns: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The messages of a trial, without the values that differ by job."""

    #: One for each part of a mix, or one.
    forms: tuple[_Form, ...]
    #: By seq, an index into ``forms``; None if there is only one.
    order: Sequence[int] | None = None

    @property
    def only_key(self) -> bytes | None:
        """Return the key of all messages, if none has times of its own; else None."""
        is_plain = not any(form.delays_ns for form in self.forms)
        keys = {form.key for form in self.forms}
        return self.forms[0].key if is_plain and len(keys) == 1 else None

    def render(self, due_ns: Sequence[int], *, first_seq: int, sent_ns: int) -> Batch:
        """Return the batch of one job for each due time; seqs count up from ``first_seq``."""
        count = len(due_ns)
        places = self.order[first_seq : first_seq + count] if self.order else repeat(0, count)
        ids = task_ids(count)
        jobs = zip(
            range(first_seq, first_seq + count),
            map(self.forms.__getitem__, places),
            ids,
            due_ns,
            strict=True,
        )
        if only_key := self.only_key:
            messages = [
                text % in_order((task_id, seq, due, sent_ns))
                for seq, (text, in_order, _, _), task_id, due in jobs
            ]
            return Batch.of_queue(only_key, messages)
        lists: dict[bytes, list[bytes]] = defaultdict(list)
        for seq, form, task_id, due in jobs:
            times = (_iso_time(due + delay_ns) for delay_ns in form.delays_ns or ())
            values = form.in_order((task_id, seq, due, sent_ns, *times))
            lists[form.key].append(form.text % values)
        commands = [(b"LPUSH", key, *messages) for key, messages in lists.items()]
        return Batch(commands=commands, jobs=count)


def capture(plan: TrialPlan, *, run: str, scope: str = "", mix: Mix | None = None) -> Template:
    """Return the template of a trial's messages, from messages that Celery generates.

    ``scope`` is that of the contender's queues.

    Raises:
        StackError: if Celery's message is not of protocol 2.
    """
    if mix is None:
        return Template(forms=(_capture_form(plan, run=run, scope=scope),))
    forms = (
        _capture_form(
            replace(plan, kind=part.kind, parameters=part.parameters),
            run=run,
            scope=scope,
            part=part.name,
            options=part.options,
            priority_steps=mix.priority_steps,
        )
        for part in mix.parts
    )
    return Template(forms=tuple(forms), order=mix.order)


def task_ids(count: int) -> Iterator[bytes]:
    """Yield new random ids, each a valid version-4 UUID, from one read of the system's source."""
    digits = os.urandom(16 * count).hex().encode()
    for at in range(0, 32 * count, 32):
        # the fixed digits of version and variant (RFC 9562)
        yield b"%b-%b-4%b-a%b-%b" % (
            digits[at : at + 8],
            digits[at + 8 : at + 12],
            digits[at + 13 : at + 16],
            digits[at + 17 : at + 20],
            digits[at + 20 : at + 32],
        )


def _capture_form(
    plan: TrialPlan,
    *,
    run: str,
    scope: str,
    part: str | None = None,
    options: JobOptions = JobOptions(),  # noqa: B008 -- frozen
    priority_steps: Sequence[int] = PRIORITY_STEPS,
) -> _Form:
    marks = [secrets.token_hex(16) for _ in _HOLES]
    queue = queue_name(plan.contender, scope=scope, queue=options.queue)
    message = _real_message(plan, run=run, queue=queue, marks=marks, part=part, options=options)
    # kombu's delivery tag only has to be unique: the job's id is
    message["properties"]["delivery_tag"] = marks[0]
    for name, mark in zip(("eta", "expires"), marks[4:], strict=True):
        if message["headers"][name]:
            message["headers"][name] = mark
    text = dumps(message).replace("%", "%%")
    order = [marks.index(found) for found in re.findall("|".join(marks), text)]
    if tuple(sorted(place for place in order if place < 4)) != _PLACEHOLDERS:
        raise StackError("this Celery does not write messages of protocol 2. Use Celery 5.")
    for mark, hole in zip(marks, _HOLES, strict=True):
        text = text.replace(f'"{mark}"', hole)
    delays_ns = (round(options.countdown_s * 1e9), round(options.expires_s * 1e9))
    key = list_key(queue, priority=options.priority or 0, steps=priority_steps)
    return _Form(
        text.encode(), itemgetter(*order), key.encode(), delays_ns if any(delays_ns) else None
    )


def _real_message(
    plan: TrialPlan,
    *,
    run: str,
    queue: str,
    marks: Sequence[str],
    part: str | None,
    options: JobOptions,
) -> Any:
    """Return the message that Celery passes to a broker's channel for this job, body encoded."""
    job = _job(plan.kind, stores_result=plan.stores_result)
    header = JobHeader(
        run=run, trial=plan.trial, seq=0, contender=plan.contender, due_ns=0, sent_ns=0, part=part
    ).as_dict() | dict(zip(("seq", "due_ns", "sent_ns"), marks[1:4], strict=True))
    given = {
        "countdown": options.countdown_s or None,
        "expires": options.expires_s or None,
        "priority": options.priority,
    }
    with Connection("memory://") as connection:
        job.apply_async(
            kwargs={**plan.parameters, **_arguments(plan, options=options)},
            task_id=marks[0],
            queue=queue,
            headers={HEADER: header},
            connection=connection,
            **{name: value for name, value in given.items() if value is not None},
        )
        # queues in memory are shared by the process, so this one is deleted
        return memory.Channel.queues.pop(queue).get_nowait()


def _arguments(plan: TrialPlan, *, options: JobOptions) -> dict[str, Any]:
    """Return the arguments of a job that are not its kind's parameters."""
    given: dict[str, Any] = {}
    if payload_bytes := options.payload_bytes or plan.payload_bytes:
        given[PAYLOAD] = "x" * payload_bytes
    ending: dict[str, bool | float] = {}
    if options.fail_share:
        ending["fails"] = True
    if options.retry:
        ending["retry_s"] = options.retry.countdown_s
    if options.result_bytes:
        ending["result_bytes"] = options.result_bytes
    return given | ({ENDING: ending} if ending else {})


def _iso_time(at_ns: int) -> bytes:
    """Return a time as Celery writes it."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat().encode()


@cache
def _job(kind: str, *, stores_result: bool) -> Any:
    """Return a task to send, in an app of its own; to make one takes 15 ms of CPU."""
    app = Celery("producer", set_as_current=False)
    # unshared, since Celery would otherwise give it to every app of this process; what a message
    # asks for overrides the worker's setting
    return app.task(name=kind, ignore_result=not stores_result, shared=False)(_stub)


def _stub(**_arguments: object) -> None:
    """Represents the job in the producer, which never runs it."""
