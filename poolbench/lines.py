"""Lines as the probe writes them: JSON built by hand, since a job waits for each.

Every line begins ``{"v":1,"m":<moment>,"run":<run>,``, so that the recorder can sort it unparsed.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote

from poolbench.jobs import JobHeader
from poolbench.records import ERROR_MAX_CHARS, FORMAT, LINE_MAX_BYTES, Moment, Outcome

#: A name or an id that needs more than this on the wire is cut, so that two of them and an
#: error always fit into one line. Names in use are far shorter.
_TEXT_MAX_BYTES = 300
_CUT_TEXT_CHARS = 100

_HEADS = {moment: f'{{"v":{FORMAT},"m":"{moment}",' for moment in Moment}
_RECEIVED = _HEADS[Moment.RECEIVED]
_STARTED = _HEADS[Moment.STARTED]
_FINISHED = _HEADS[Moment.FINISHED]
_VERDICT = _HEADS[Moment.VERDICT]


def identity(
    header: JobHeader | None,
    *,
    run: str,
    contender: str,
    kind: str,
    task_id: str,
    attempt: int,
    nonce: str,
) -> str:
    """Return the members that every line of one execution carries, as a fragment of JSON.

    Without a header the job is filed under ``run`` and ``contender``, in trial 0, without a seq.
    """
    if header is None:
        job = f'"run":{quote(run)},"trial":0,"seq":null,"contender":{quote(contender)}'
        times = '"due_ns":null,"sent_ns":null'
    else:
        job = (
            f'"run":{quote(header.run)},"trial":{header.trial},"seq":{header.seq},'
            f'"contender":{quote(header.contender)}'
        )
        times = f'"due_ns":{header.due_ns},"sent_ns":{header.sent_ns}'
    return (
        f'{job},"kind":{_text(kind)},"task_id":{_text(task_id)},'
        f'"attempt":{attempt},"nonce":"{nonce}",{times}'
    )


def received_line(identity: str, *, t_ns: int) -> bytes:
    """Return the line of a message that Celery's consumer has."""
    return f'{_RECEIVED}{identity},"t_ns":{t_ns}}}\n'.encode()


def started_line(identity: str, *, t_ns: int, evidence: str) -> bytes:
    """Return the line of a slot about to call the job's function; ``evidence`` is a fragment."""
    return f'{_STARTED}{identity},"t_ns":{t_ns},{evidence}}}\n'.encode()


def finished_line(
    identity: str,
    *,
    t_ns: int,
    pid: int,
    state: str | None,
    cpu_ns: int | None,
    work_ns: int | None,
) -> bytes:
    """Return the line of a slot that is done with a job.

    It names its process: prefork runs a job again, as the same execution of the same message, if
    the slot that ran it is killed before its parent has read that it began (celery 5.7,
    ``AsynPool.on_partial_read``). Two *finished* lines of one nonce are such a duplicate.
    """
    return (
        f'{_FINISHED}{identity},"t_ns":{t_ns},"pid":{pid},"state":{_text(state)},'
        f'"cpu_ns":{_number(cpu_ns)},"work_ns":{_number(work_ns)}}}\n'
    ).encode()


def verdict_line(identity: str, *, t_ns: int, outcome: Outcome, error: str) -> bytes:
    """Return the line of Celery's word on an execution; the error's text is cut to fit."""
    before = f'{_VERDICT}{identity},"t_ns":{t_ns},"outcome":"{outcome}","error":'
    room = LINE_MAX_BYTES - len(before) - len("}\n") - 1
    return f"{before}{_fit(error[:ERROR_MAX_CHARS], room_bytes=room)}}}\n".encode()


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
