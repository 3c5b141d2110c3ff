"""Messages and lines as they travel, and a run's lines as they are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl
import redis

from collector.schema import LINE_SCHEMA
from collector.store import RunFolder
from poolbench.calibration import message_parameters
from poolbench.jobs import JOB_KINDS, complete_parameters, find_kind
from poolbench.keys import records_stream
from poolbench.records import TrialPlan


def plan_of(kind: str = "io.http", *, contender: str = "gevent", trial: int = 0) -> TrialPlan:
    """Return a plan for four slots of gevent, of jobs with their kind's defaults."""
    known = find_kind(kind)
    calibration = dict.fromkeys(JOB_KINDS, 0.001)
    return TrialPlan(
        trial=trial,
        contender=contender,
        pool="gevent",
        slots=4,
        kind=kind,
        parameters=message_parameters(
            known, complete_parameters(known, {}), calibration=calibration
        ),
    )


def queued(client: redis.Redis, queue: str) -> list[dict[str, Any]]:
    """Return the messages of a queue, in the order in which a worker takes them."""
    return [json.loads(message) for message in reversed(client.lrange(queue, 0, -1))]


def encode_line(line: Mapping[str, Any]) -> bytes:
    """Return a line in its wire form, with its newline."""
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def add_lines(client: redis.Redis, run: str, *seqs: int, rubbish: bytes = b"") -> None:
    """Put one entry into the run's stream: a line for each seq, and then rubbish."""
    lines = [
        encode_line(
            {"v": 1, "m": "received", "run": run, "nonce": f"n{seq}", "t_ns": 1, "seq": seq}
        )
        for seq in seqs
    ]
    client.xadd(records_stream(run), {"lines": b"".join(lines) + rubbish})


def stored_lines(folder: RunFolder) -> pl.DataFrame:
    """Return all lines of a run's folder, in order."""
    return pl.concat([LINE_SCHEMA.to_frame(), *folder.iter_lines()])
