"""A trial's messages, captured from real calls of Celery, with placeholders for what differs.

Two messages of one kind differ only in their ids, the delivery tag, times and Poolbench's own
header; all other text is as Celery and kombu write it. Formatting the text is about fifty times as
fast as calling Celery.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate, chain, cycle, repeat
from operator import itemgetter
from typing import Any, NamedTuple

from kombu.utils.json import dumps

from poolbench.errors import StackError
from poolbench.job_options import JobOptions
from poolbench.jobs import ENDING, HEADER, PAYLOAD, RETRIES, SEGMENTS, STAND_IN, JobHeader
from poolbench.keys import PRIORITY_STEPS, list_key, queue_name, result_prefix
from poolbench.records import TrialPlan
from producer.captured import (
    AppMessage,
    Call,
    capture_canvas,
    capture_message,
    chord_size_key,
    read_messages,
)
from producer.mixes import Mix, MixCanvas, MixPart, MixStandIns
from producer.queue_writer import Batch

#: Values that differ from one job to the next: id, seq, due_ns, sent_ns, and the times of its
#: countdown and its expiry. For a job of several executions: due_ns, sent_ns, the id of its group,
#: and the id and the seq of each execution.
_Values = tuple[bytes | float, ...]

#: How each of the values is written, in place of a JSON text.
_STRING, _NUMBER, _DECIMAL = '"%b"', "%d", "%.3f"
_HOLES = (_STRING, _NUMBER, _NUMBER, _NUMBER, _STRING, _STRING)

#: How often each of the first four values is in a message.
_PLACEHOLDERS = [4, 1, 1, 1]

#: Time for which Celery keeps the number of calls before a chord's body by default, seconds.
_CHORD_EXPIRES_S = 86_400


class _Text(NamedTuple):
    """A text with placeholders for `_Values`."""

    text: bytes
    #: Returns values in the order of the placeholders.
    in_order: Callable[[_Values], tuple[Any, ...]]


class _Form(NamedTuple):
    """A protocol-2 message in kombu's wire form, with placeholders for `_Values`."""

    text: bytes
    #: Returns values in the order of the placeholders.
    in_order: Callable[[_Values], tuple[Any, ...]]
    #: Key of the list that the consumer takes it from.
    key: bytes
    #: Times from the due time until a slot may start the job, and until it expires, ns; empty
    #: without any.
    delays_ns: tuple[int, ...]

    def commands(self, *, seq: int, due_ns: int, sent_ns: int) -> Iterator[tuple[bytes, ...]]:
        """Yield the Redis commands that send a job."""
        times = (_iso_time(due_ns + delay_ns) for delay_ns in self.delays_ns)
        (task_id,) = task_ids(1)
        yield b"LPUSH", self.key, self.text % self.in_order((task_id, seq, due_ns, sent_ns, *times))


class _CanvasForm(NamedTuple):
    """The first messages of a job of several executions, with placeholders for `_Values`."""

    #: Body and envelope of each message; the body, encoded, is the envelope's last value.
    messages: tuple[tuple[_Text, _Text], ...]
    executions: int
    key: bytes
    #: For a chord: the key of the number of executions before its body, around the group's id.
    size_key: tuple[bytes, ...]

    def commands(self, *, seq: int, due_ns: int, sent_ns: int) -> Iterator[tuple[bytes, ...]]:
        """Yield the Redis commands that send a job, in order."""
        group_id, *ids = task_ids(1 + self.executions)
        values = (due_ns, sent_ns, group_id, *ids, *range(seq, seq + self.executions))
        if self.size_key:
            size = b"%d" % (self.executions - 1)
            yield b"SET", group_id.join(self.size_key), size, b"EX", b"%d" % _CHORD_EXPIRES_S
        for body, envelope in self.messages:
            encoded = base64.b64encode(body.text % body.in_order(values))
            yield b"LPUSH", self.key, envelope.text % envelope.in_order((*values, encoded))


class _StandInForm(NamedTuple):
    """The message of a stand-in, with placeholders for `_Values` and for its numbers."""

    #: The encoded body is the envelope's last value.
    body: _Text
    envelope: _Text
    key: bytes
    has_countdown: bool

    def commands(
        self, *, seq: int, due_ns: int, sent_ns: int, numbers: Sequence[float]
    ) -> Iterator[tuple[bytes, ...]]:
        """Yield the Redis command that sends a job."""
        (task_id,) = task_ids(1)
        countdown_s, size_bytes, *segments = numbers
        body = self.body.text % self.body.in_order((b"", *segments))
        if (missing := int(size_bytes) - len(body)) > 0:
            body = self.body.text % self.body.in_order((b"x" * missing, *segments))
        eta = _iso_time(due_ns + round(countdown_s * 1e9)) if self.has_countdown else b""
        values = (task_id, seq, due_ns, sent_ns, eta, base64.b64encode(body))
        yield b"LPUSH", self.key, self.envelope.text % self.envelope.in_order(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The messages of a trial, without the values that differ by job."""

    #: One for each part of a mix, or one.
    forms: tuple[_Form | _CanvasForm | _StandInForm, ...]
    #: By job, an index into ``forms``; None if there is only one.
    order: Sequence[int] | None = None
    #: By job, its first seq, and then the number of executions; None if each job has one.
    first_seqs: Sequence[int] | None = None
    #: By job, the numbers of a stand-in.
    numbers: Sequence[Sequence[float]] = ()

    @property
    def plain_forms(self) -> tuple[_Form, ...]:
        """Return the forms if each job is one message in one list, without times; else none."""
        plain = [one for one in self.forms if isinstance(one, _Form) and not one.delays_ns]
        is_one_list = len({form.key for form in self.forms}) == 1
        return tuple(plain) if is_one_list and len(plain) == len(self.forms) else ()

    def render(self, due_ns: Sequence[int], *, first_job: int, sent_ns: int) -> Batch:
        """Return the batch of one job for each due time, from the trial's job ``first_job`` on."""
        count = len(due_ns)
        places = self.order[first_job : first_job + count] if self.order else repeat(0, count)
        if plain := self.plain_forms:
            seqs = range(first_job, first_job + count)
            forms = map(plain.__getitem__, places)
            messages = [
                text % in_order((task_id, seq, due, sent_ns))
                for seq, (text, in_order, _, _), task_id, due in zip(
                    seqs, forms, task_ids(count), due_ns, strict=True
                )
            ]
            return Batch.of_queue(plain[0].key, messages)
        return self._render_any(places, due_ns, first_job=first_job, sent_ns=sent_ns)

    def _render_any(
        self, places: Iterable[int], due_ns: Sequence[int], *, first_job: int, sent_ns: int
    ) -> Batch:
        last_job = first_job + len(due_ns)
        firsts = self.first_seqs or range(last_job + 1)
        others: list[tuple[bytes, ...]] = []
        pushes: dict[bytes, list[bytes]] = defaultdict(list)
        jobs = range(first_job, last_job)
        for job, place, due in zip(jobs, places, due_ns, strict=True):
            form, times = self.forms[place], {"seq": firsts[job], "due_ns": due, "sent_ns": sent_ns}
            commands = (
                form.commands(**times, numbers=self.numbers[job])
                if isinstance(form, _StandInForm)
                else form.commands(**times)
            )
            for command in commands:
                if command[0] == b"LPUSH":
                    pushes[command[1]] += command[2:]
                else:
                    others.append(command)
        joined = ((b"LPUSH", key, *messages) for key, messages in pushes.items())
        return Batch(commands=(*others, *joined), jobs=firsts[last_job] - firsts[first_job])


def capture(plan: TrialPlan, *, run: str, scope: str = "", mix: Mix | None = None) -> Template:
    """Return the template of a trial's messages, from messages that Celery generates.

    ``scope`` is that of the contender's queues.

    Raises:
        StackError: if Celery's message is not of protocol 2.
    """
    if mix is None:
        part = MixPart(name="", kind=plan.kind, parameters=plan.parameters)
        queue = queue_name(plan.contender, scope=scope)
        return Template(forms=(_capture_form(part, plan=plan, run=run, queue=queue, steps={}),))
    forms = [_forms(part, plan=plan, run=run, scope=scope, mix=mix) for part in mix.parts]
    has_canvas = any(isinstance(part, MixCanvas) for part in mix.parts)
    first_seqs = mix.first_seqs if has_canvas else None
    return Template(
        forms=tuple(chain.from_iterable(forms)),
        order=_in_turn(mix.order, counts=[len(of_part) for of_part in forms]),
        first_seqs=first_seqs,
        numbers=mix.numbers,
    )


def _forms(
    part: MixPart | MixCanvas | MixStandIns, *, plan: TrialPlan, run: str, scope: str, mix: Mix
) -> tuple[_Form | _CanvasForm | _StandInForm, ...]:
    """Return the form of a part's jobs; for a user's task, one for each captured message."""
    steps = mix.priority_steps
    if isinstance(part, MixCanvas):
        return (_capture_canvas(part, plan=plan, run=run, scope=scope, steps=steps),)
    if isinstance(part, MixPart) and part.messages:
        return _app_forms(part, plan=plan, run=run, steps=steps)
    queue = part.options.queue
    if not mix.has_plain_queues:
        queue = queue_name(plan.contender, scope=scope, queue=queue)
    if isinstance(part, MixStandIns):
        return (_capture_stand_in(part, plan=plan, run=run, queue=queue, steps=steps),)
    return (_capture_form(part, plan=plan, run=run, queue=queue, steps=steps),)


def _in_turn(order: Sequence[int], *, counts: Sequence[int]) -> Sequence[int]:
    """Return the form of each job, given its part and the number of forms of each part."""
    if max(counts) == 1:
        return order
    firsts = [*accumulate(counts, initial=0)]
    turns = [
        cycle(range(first, first + count)) for first, count in zip(firsts, counts, strict=False)
    ]
    return [next(turns[part]) for part in order]


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
    part: MixPart,
    *,
    plan: TrialPlan,
    run: str,
    queue: str,
    steps: Mapping[str, Sequence[int]],
) -> _Form:
    options = part.options
    marks = _marks(len(_HOLES))
    task_id, seq, due_ns, sent_ns, eta, expires = marks
    times = {"seq": seq, "due_ns": due_ns, "sent_ns": sent_ns}
    message = capture_message(
        _call(part, plan=plan, run=run, task_id=task_id, times=times), queue=queue
    )
    # kombu's delivery tag only has to be unique: the job's id is
    message["properties"]["delivery_tag"] = task_id
    for name, mark in (("eta", eta), ("expires", expires)):
        if message["headers"][name]:
            message["headers"][name] = mark
    text = dumps(message)
    if [text.count(mark) for mark in (task_id, seq, due_ns, sent_ns)] != _PLACEHOLDERS:
        raise StackError("this Celery does not write messages of protocol 2. Use Celery 5.")
    filled = _text(text, holes=dict(zip(marks, _HOLES, strict=True)))
    delays_ns = (round(options.countdown_s * 1e9), round(options.expires_s * 1e9))
    key = _list_key(queue, options=options, steps=steps)
    return _Form(*filled, key=key, delays_ns=delays_ns if any(delays_ns) else ())


def _app_forms(
    part: MixPart, *, plan: TrialPlan, run: str, steps: Mapping[str, Sequence[int]]
) -> tuple[_Form, ...]:
    """Return a form for each captured message of a user's task."""
    marks = _marks(len(_HOLES))
    _, seq, due_ns, sent_ns, _, _ = marks
    header = dumps(
        _header(part, plan=plan, run=run, times={"seq": seq, "due_ns": due_ns, "sent_ns": sent_ns})
    )

    def form(message: AppMessage) -> _Form:
        mine = [message.task_id, *marks[1:4], message.eta, message.expires]
        text = message.text.replace(f'"{message.header}"', header)
        delays_ns = (round(message.countdown_s * 1e9), round(message.expires_s * 1e9))
        own = steps.get(message.queue, PRIORITY_STEPS)
        return _Form(
            *_text(text, holes=dict(zip(mine, _HOLES, strict=True))),
            key=list_key(message.queue, priority=message.priority, steps=own).encode(),
            delays_ns=delays_ns if any(delays_ns) else (),
        )

    return tuple(form(message) for message in read_messages(part.messages))


def _capture_canvas(
    canvas: MixCanvas, *, plan: TrialPlan, run: str, scope: str, steps: Mapping[str, Sequence[int]]
) -> _CanvasForm:
    count, options = len(canvas.steps), canvas.steps[0].options
    due_ns, sent_ns, group_id, *marks = _marks(3 + 2 * count)
    ids, seqs = marks[:count], marks[count:]
    queue = queue_name(plan.contender, scope=scope, queue=options.queue)
    calls = [
        _call(
            step,
            plan=plan,
            run=run,
            task_id=task_id,
            times={"seq": seq, "due_ns": due_ns, "sent_ns": sent_ns},
        )
        for step, task_id, seq in zip(canvas.steps, ids, seqs, strict=True)
    ]
    holes = {
        due_ns: _NUMBER,
        sent_ns: _NUMBER,
        group_id: _STRING,
        **dict.fromkeys(ids, _STRING),
        **dict.fromkeys(seqs, _NUMBER),
    }
    (body_mark,) = _marks(1)
    messages = []
    for message in capture_canvas(canvas.shape, calls, queue=queue):
        body = base64.b64decode(message["body"]).decode()
        message["body"] = body_mark
        message["properties"]["delivery_tag"] = message["headers"]["id"]
        envelope = dumps(message)
        if drawn := message["headers"]["group"]:
            body, envelope = (text.replace(drawn, group_id) for text in (body, envelope))
        messages.append(
            (_text(body, holes=holes), _text(envelope, holes={**holes, body_mark: _STRING}))
        )
    size_key: tuple[bytes, ...] = ()
    if canvas.shape == "chord":
        name = chord_size_key(group_id, prefix=result_prefix(scope) if scope else "")
        size_key = tuple(name.encode().split(group_id.encode()))
    return _CanvasForm(
        messages=tuple(messages),
        executions=count,
        key=_list_key(queue, options=options, steps=steps),
        size_key=size_key,
    )


def _capture_stand_in(
    jobs: MixStandIns,
    *,
    plan: TrialPlan,
    run: str,
    queue: str,
    steps: Mapping[str, Sequence[int]],
) -> _StandInForm:
    options = jobs.options
    task_id, seq, due_ns, sent_ns, eta, body_mark, payload, *numbers = _marks(
        7 + len(SEGMENTS) * jobs.attempts + jobs.attempts - 1
    )
    first, later = numbers[: len(SEGMENTS)], numbers[len(SEGMENTS) :]
    arguments: dict[str, Any] = {**dict(zip(SEGMENTS, first, strict=True)), PAYLOAD: payload}
    if later:
        size = 1 + len(SEGMENTS)
        arguments[RETRIES] = [later[at : at + size] for at in range(0, len(later), size)]
    part = MixPart(name=jobs.name, kind=STAND_IN, parameters={}, options=options)
    call = _call(
        part,
        plan=plan,
        run=run,
        task_id=task_id,
        times={"seq": seq, "due_ns": due_ns, "sent_ns": sent_ns},
    )
    given = {"countdown": 1.0} if jobs.has_countdown else {}
    message = capture_message(
        replace(
            call,
            arguments={**call.arguments, **arguments},
            # what storing its result took is part of its segments
            stores_result=False,
            # the numbers are in the body alone
            options={**call.options, **given, "kwargsrepr": "{}"},
        ),
        queue=queue,
    )
    body = base64.b64decode(message["body"]).decode()
    message["body"] = body_mark
    message["properties"]["delivery_tag"] = task_id
    if jobs.has_countdown:
        message["headers"]["eta"] = eta
    holes = dict(zip((task_id, seq, due_ns, sent_ns, eta), _HOLES, strict=False))
    return _StandInForm(
        body=_text(body, holes={payload: _STRING, **dict.fromkeys(numbers, _DECIMAL)}),
        envelope=_text(dumps(message), holes={**holes, body_mark: _STRING}),
        key=_list_key(queue, options=options, steps=steps),
        has_countdown=jobs.has_countdown,
    )


def _list_key(queue: str, *, options: JobOptions, steps: Mapping[str, Sequence[int]]) -> bytes:
    own = steps.get(options.queue, PRIORITY_STEPS)
    return list_key(queue, priority=options.priority or 0, steps=own).encode()


def _marks(count: int) -> list[str]:
    """Return texts that occur nowhere else in a message."""
    return [secrets.token_hex(16) for _ in range(count)]


def _text(message: str, *, holes: Mapping[str, str]) -> _Text:
    """Return a text with a placeholder instead of each mark; ``holes`` are in the values' order."""
    marks = list(holes)
    text = message.replace("%", "%%")
    order = [marks.index(found) for found in re.findall("|".join(marks), text)]
    for mark, hole in holes.items():
        # a mark may also be a part of a text, where an app has put its job's id
        text = text.replace(f'"{mark}"', hole).replace(mark, hole.strip('"'))
    if len(order) > 1:
        return _Text(text.encode(), itemgetter(*order))
    return _Text(text.encode(), lambda values: tuple(values[place] for place in order))


def _call(
    part: MixPart, *, plan: TrialPlan, run: str, task_id: str, times: Mapping[str, str]
) -> Call:
    """Return the call of a job or of one of its executions; ``times`` are members of its header."""
    options = part.options
    given = {
        "countdown": options.countdown_s or None,
        "expires": options.expires_s or None,
        "priority": options.priority,
    }
    return Call(
        kind=part.kind,
        arguments={**part.parameters, **_arguments(plan, options=options)},
        task_id=task_id,
        headers={HEADER: _header(part, plan=plan, run=run, times=times)},
        stores_result=plan.stores_result,
        options={name: value for name, value in given.items() if value is not None},
    )


def _header(
    part: MixPart, *, plan: TrialPlan, run: str, times: Mapping[str, str]
) -> dict[str, Any]:
    """Return the header of a job; ``times`` are its members that differ by job."""
    header = JobHeader(
        run=run,
        trial=plan.trial,
        seq=0,
        contender=plan.contender,
        due_ns=0,
        sent_ns=0,
        part=part.name or None,
    )
    return {**header.as_dict(), **times}


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
