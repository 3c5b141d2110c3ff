"""The whole advice as one value, which the terminal and ``--json`` show."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from collector.recording import RecordedWorker
from lab.advise.boundaries import Boundary
from lab.advise.decision import Decision, Expected, Outcome
from lab.advise.model import Demand, Limits, Setting
from lab.advise.rules import Rule
from poolbench.pools import POOLS
from report.statistics.ratios import rounded

#: Version of the JSON format.
FORMAT: Final = 1

#: Options of a worker's command line that a candidate keeps, by Celery's name, and the pools that
#: do what they say. An option of no pool in particular has all.
_ALL = ("prefork", "threads", "gevent", "asyncio", "solo")
KEPT: Mapping[str, Sequence[str]] = {
    "queues": _ALL,
    "exclude_queues": _ALL,
    "optimization": ("prefork",),
    "max_tasks_per_child": ("prefork",),
    "max_memory_per_child": ("prefork",),
    "time_limit": ("prefork", "gevent", "asyncio"),
    "soft_time_limit": ("prefork", "asyncio"),
    "without_gossip": _ALL,
    "without_mingle": _ALL,
    "without_heartbeat": _ALL,
    "task_events": _ALL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The advice on an app, with its evidence."""

    files: tuple[str, ...]
    demand: Demand
    limits: Limits
    #: Bounds at the recorded rate, seconds by name.
    slo: Mapping[str, float]
    decision: Decision
    #: What was measured for each assumption about the GIL, today's first; empty without a
    #: measurement.
    measured: Mapping[str, tuple[Expected, ...]] = field(default_factory=dict)
    #: Candidates for which the budget had no room.
    left_out: tuple[str, ...] = ()
    #: Number of repetitions, and the length of the recording's part that they repeat, seconds.
    repetitions: int = 0
    span_s: float = 0.0
    rules: tuple[Rule, ...] = ()
    #: Pool → why it is no candidate.
    excluded: Mapping[str, str] = field(default_factory=dict)
    #: What would change the advice.
    boundaries: tuple[Boundary, ...] = ()
    #: The exact command line of the advised setting; empty to abstain.
    command: str = ""
    #: What the advised pool would stop doing: feature → ``ignored`` or ``breaks``.
    stops: Mapping[str, str] = field(default_factory=dict)
    #: Folder of the measurement; empty without one.
    run: str = ""

    @property
    def is_advice(self) -> bool:
        """Return whether the advice is one, to change or to stay."""
        return self.decision.outcome in (Outcome.CHANGE, Outcome.STAY)

    def to_json(self) -> str:
        """Return the advice as JSON."""
        content: dict[str, Any] = {"format": FORMAT, **asdict(self)}
        return json.dumps(rounded(content), indent=1, ensure_ascii=False) + "\n"


def command_line(setting: Setting, *, worker: RecordedWorker) -> str:
    """Return the command line of a setting, with the recorded options that its pool has.

    ``APP`` stands for the app, whose name isn't recorded.
    """
    options = worker.options
    pool = POOLS[setting.pool]
    words = [f"{name}={value}" for name, value in pool.environment]
    words += ["celery", "-A", "APP", "worker", "-P", pool.celery_value, "-c", str(setting.slots)]
    if setting.prefetch_multiplier is not None:
        words += ["--prefetch-multiplier", str(setting.prefetch_multiplier)]
    for name, pools in KEPT.items():
        value = options.get(name)
        if value is None or value is False or value == [] or setting.pool not in pools:
            continue
        flag = "-Q" if name == "queues" else f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        else:
            joined = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            words += [flag, joined]
    if setting.workers > 1:
        words += ["-n", "worker1@%h"]
    return shlex.join(words)
