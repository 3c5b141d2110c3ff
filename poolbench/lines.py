"""Builds the probe's lines: JSON from text fragments, which is fast, since jobs wait for it.

Every line begins with ``{"v":1,"m":<moment>,"run":<run>,``, so that the recorder can sort lines
without parsing them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quote
from operator import itemgetter
from typing import Any

from poolbench.jobs import JobHeader
from poolbench.keys import NAME
from poolbench.machine import boot_id, host
from poolbench.records import ERROR_MAX_CHARS, LINE_MAX_BYTES, Moment, Outcome, line_start

#: Longest name or id in a line; longer ones are cut, so that two of them and an error always fit
#: into one line. Actual names are much shorter.
_TEXT_MAX_BYTES = 300
_CUT_TEXT_CHARS = 100

_INT64_MAX = 2**63 - 1

#: Values that every header has; jobs of a mix also have a part.
_header_values: Callable[[Any], tuple[Any, ...]] = itemgetter(
    *(name for name in JobHeader.__slots__ if name != "part")
)

_RECEIVED, _STARTED, _FINISHED, _VERDICT = map(line_start, tuple(Moment)[:4])
_PUBLISHED = line_start(Moment.PUBLISHED)

#: What precedes the nonce in `identity`.
_NONCE = '"nonce":"'


def job_members(header: object) -> tuple[str, str] | None:
    """Return the members that identify a job, and its times, as fragments of JSON.

    ``header`` is a message's header `poolbench.jobs.HEADER`. Returns None if it doesn't have the
    form of `JobHeader.as_dict`, since other programs can send messages too.
    """
    try:
        run, trial, seq, contender, due_ns, sent_ns = _header_values(header)
        are_whole = type(trial) is type(seq) is type(due_ns) is type(sent_ns) is int
        part = header.get("part")  # type: ignore[attr-defined]  # what has the values is a mapping
        if not (are_whole and _are_names(run, contender, *(() if part is None else (part,)))):
            return None
    except (AttributeError, KeyError, TypeError):
        return None
    if min(trial, seq, due_ns, sent_ns) < 0 or max(trial, seq, due_ns, sent_ns) > _INT64_MAX:
        return None
    times = f'"due_ns":{due_ns},"sent_ns":{sent_ns}'
    return (
        f'"run":"{run}","trial":{trial},"seq":{seq},"contender":"{contender}"',
        times if part is None else f'{times},"part":"{part}"',
    )


def foreign_members(*, run: str, contender: str) -> tuple[str, str]:
    """Return the members of a job without a header: in trial 0, without a seq."""
    return (
        f'"run":{quote(run)},"trial":0,"seq":null,"contender":{quote(contender)}',
        '"due_ns":null,"sent_ns":null',
    )


def identity(job: tuple[str, str], *, kind: str, task_id: str, attempt: object, nonce: int) -> str:
    """Return the members in every line of one execution, as a fragment of JSON.

    ``attempt`` is not checked by Celery; a value that is no count becomes 0.
    """
    which, times = job
    attempts = attempt if isinstance(attempt, int) and 0 <= attempt <= _INT64_MAX else 0
    return (
        f'{which},"kind":{_text(kind)},"task_id":{_text(task_id)},'
        f'"attempt":{attempts:d},"nonce":"{nonce:016x}",{times}'
    )


def nonce_of(identity: str) -> int:
    """Return the nonce in the members of an execution."""
    # nothing before it can have this text, since names and quoted texts have no such quote
    return int(identity.partition(_NONCE)[2][:16], 16)


def received_line(
    identity: str, *, t_ns: int, worker: str | None = None, eta_ns: int | None = None
) -> bytes:
    """Return the line of a message that Celery's consumer has received.

    ``worker`` is the consumer's name, and ``eta_ns`` the earliest start by a countdown, Unix ns.
    """
    return (
        f'{_RECEIVED}{identity},"t_ns":{t_ns},"worker":{_text(worker)},"eta_ns":{_number(eta_ns)}}}\n'
    ).encode()


def started_line(identity: str, *, t_ns: int, evidence: str) -> bytes:
    """Return the line of a slot about to call the job's function; ``evidence`` is a fragment."""
    return f'{_STARTED}{identity},"t_ns":{t_ns},{evidence}}}\n'.encode()


def evidence_members(*, pid: int, pool_seen: str, are_sockets_patched: bool) -> str:
    """Return the evidence of a process in *started* lines, up to the id of the slot in it."""
    return (
        f'"host":{quote(host())},"boot_id":{quote(boot_id())},"pid":{pid},'
        f'"pool_seen":{quote(pool_seen)},'
        f'"sockets_patched":{"true" if are_sockets_patched else "false"},"slot":"{pid}-'
    )


def finished_line(
    identity: str,
    *,
    t_ns: int,
    pid: int,
    state: str | None,
    cpu_ns: int | None,
    work_ns: int | None,
    blocked_ns: int | None = None,
) -> bytes:
    """Return the line of a slot that has finished a job.

    It contains the process id: prefork runs a job again, as the same execution of the same message,
    if its slot is killed before the parent has read that the job began (celery 5.7,
    ``AsynPool.on_partial_read``). Two *finished* lines with one nonce are such a duplicate.
    """
    return (
        f'{_FINISHED}{identity},"t_ns":{t_ns},"pid":{pid},"state":{_text(state)},'
        f'"cpu_ns":{_number(cpu_ns)},"work_ns":{_number(work_ns)},'
        f'"blocked_ns":{_number(blocked_ns)}}}\n'
    ).encode()


def verdict_line(identity: str, *, t_ns: int, outcome: Outcome, error: str) -> bytes:
    """Return the line of Celery's verdict on an execution; the error's text is cut to fit."""
    before = f'{_VERDICT}{identity},"t_ns":{t_ns},"outcome":"{outcome}","error":'
    room = LINE_MAX_BYTES - len(before) - len("}\n") - 1
    return f"{before}{_fit(error[:ERROR_MAX_CHARS], room_bytes=room)}}}\n".encode()


def published_line(identity: str, *, t_ns: int) -> bytes:
    """Return the line of a message that a job has published.

    ``identity`` is that of the message, with the nonce of the execution that has published it.
    """
    return f'{_PUBLISHED}{identity},"t_ns":{t_ns}}}\n'.encode()


@functools.lru_cache(maxsize=64)
def _are_names(*names: str) -> bool:
    return all(map(NAME.fullmatch, names))


def _text(value: str | None) -> str:
    if value is None:
        return "null"
    quoted = quote(value)
    # one character may take twelve bytes
    return quoted if len(quoted) <= _TEXT_MAX_BYTES else quote(value[:_CUT_TEXT_CHARS])


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _fit(text: str, *, room_bytes: int) -> str:
    """Return the text quoted, cut until it fits."""
    quoted = quote(text)
    while len(quoted) > room_bytes:
        text = text[: len(text) // 2]
        quoted = quote(text)
    return quoted
