"""A trial's messages, captured from a real `apply_async`, with placeholders for what differs.

Two messages of one kind differ only in their ids, the delivery tag and Poolbench's own header; all
other text is as Celery and kombu write it. Formatting the text is about fifty times as fast as
calling Celery.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from poolbench.jobs import HEADER, PAYLOAD, JobHeader
from poolbench.records import TrialPlan

#: Values of one message: id, seq, due_ns, sent_ns.
_Values = tuple[bytes, int, int, int]

#: Index into `_Values` of each placeholder that a message must have, sorted.
_PLACEHOLDERS = (0, 0, 0, 0, 1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPart:
    """The jobs of one part of a mix."""

    #: Sent in the job's header, so that its record contains it.
    name: str
    kind: str
    parameters: Mapping[str, int | float]
    options: JobOptions = field(default_factory=JobOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The part of each job of a trial."""

    parts: tuple[MixPart, ...]
    #: By seq, an index into ``parts``; at least as long as the trial has jobs.
    order: Sequence[int]


class _Form(NamedTuple):
    """A protocol-2 message in kombu's wire form, with placeholders for `_Values`."""

    text: bytes
    #: Returns values in the order of the placeholders.
    in_order: Callable[[_Values], tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The messages of a trial, without the values that differ by job."""

    #: One for each part of a mix, or one.
    forms: tuple[_Form, ...]
    #: By seq, an index into ``forms``; None if there is only one.
    order: Sequence[int] | None = None

    def render(self, due_ns: Sequence[int], *, first_seq: int, sent_ns: int) -> list[bytes]:
        """Return one message for each due time; seqs count up from ``first_seq``."""
        count = len(due_ns)
        places = self.order[first_seq : first_seq + count] if self.order else repeat(0, count)
        forms = map(self.forms.__getitem__, places)
        return [
            text % in_order((task_id, seq, due, sent_ns))
            for seq, (text, in_order), task_id, due in zip(
                range(first_seq, first_seq + count), forms, task_ids(count), due_ns, strict=True
            )
        ]


def capture(plan: TrialPlan, *, run: str, queue: str, mix: Mix | None = None) -> Template:
    """Return the template of a trial's messages, from messages that Celery generates.

    Raises:
        StackError: if Celery's message is not of protocol 2.
    """
    if mix is None:
        return Template(forms=(_capture_form(plan, run=run, queue=queue),))
    plans = (replace(plan, kind=part.kind, parameters=part.parameters) for part in mix.parts)
    forms = (
        _capture_form(one, run=run, queue=queue, part=part.name)
        for one, part in zip(plans, mix.parts, strict=True)
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


def _capture_form(plan: TrialPlan, *, run: str, queue: str, part: str | None = None) -> _Form:
    marks = [secrets.token_hex(16) for _ in range(4)]
    message = _real_message(plan, run=run, queue=queue, marks=marks, part=part)
    # kombu's delivery tag only has to be unique: the job's id is
    message["properties"]["delivery_tag"] = marks[0]
    text = dumps(message).replace("%", "%%")
    order = [marks.index(found) for found in re.findall("|".join(marks), text)]
    if tuple(sorted(order)) != _PLACEHOLDERS:
        raise StackError("this Celery does not write messages of protocol 2. Use Celery 5.")
    for mark, hole in zip(marks, ('"%b"', "%d", "%d", "%d"), strict=True):
        text = text.replace(f'"{mark}"', hole)
    return _Form(text.encode(), itemgetter(*order))


def _real_message(
    plan: TrialPlan, *, run: str, queue: str, marks: Sequence[str], part: str | None
) -> Any:
    """Return the message that Celery passes to a broker's channel for this job, body encoded."""
    job = _job(plan.kind, stores_result=plan.stores_result)
    payload = {PAYLOAD: "x" * plan.payload_bytes} if plan.payload_bytes else {}
    header = JobHeader(
        run=run, trial=plan.trial, seq=0, contender=plan.contender, due_ns=0, sent_ns=0, part=part
    ).as_dict() | dict(zip(("seq", "due_ns", "sent_ns"), marks[1:], strict=True))
    with Connection("memory://") as connection:
        job.apply_async(
            kwargs={**plan.parameters, **payload},
            task_id=marks[0],
            queue=queue,
            headers={HEADER: header},
            connection=connection,
        )
        # queues in memory are shared by the process, so this one is deleted
        return memory.Channel.queues.pop(queue).get_nowait()


@cache
def _job(kind: str, *, stores_result: bool) -> Any:
    """Return a task to send, in an app of its own; to make one takes 15 ms of CPU."""
    app = Celery("producer", set_as_current=False)
    # unshared, since Celery would otherwise give it to every app of this process; what a message
    # asks for overrides the worker's setting
    return app.task(name=kind, ignore_result=not stores_result, shared=False)(_stub)


def _stub(**_arguments: object) -> None:
    """Represents the job in the producer, which never runs it."""
