"""Reads a run's hash, in which the producer describes the run: its plan and its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, cast

import redis
from annotated_types import MinLen
from pydantic import TypeAdapter, ValidationError

from collector.run_manifest import first_fault
from poolbench.calibration import read_calibration
from poolbench.errors import StackError
from poolbench.jobs import JOB_KINDS, rough_job_s
from poolbench.keys import run_key, sent_field
from poolbench.records import TrialPlan

_PLANS = TypeAdapter(Annotated[tuple[TrialPlan, ...], MinLen(1)])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHash:
    """A run's hash, read and checked."""

    run: str
    #: When the run was created, Unix ns.
    created_ns: int
    #: ``producer`` or ``lab``.
    source: str
    plans: tuple[TrialPlan, ...]
    #: Jobs sent so far, by trial.
    sent: Mapping[int, int]
    #: When the last job was sent, Unix ns; None while more may be sent.
    sent_all_ns: int | None
    #: Boot of the machine that stamps the due times; None if it is unknown.
    boot_id: str | None
    #: CPU-seconds of a unit of work by kind, for kinds whose work was given as a time.
    calibration: Mapping[str, float] = field(default_factory=dict)

    @property
    def longest_silence_s(self) -> float:
        """Return about how long no line may arrive in a healthy run, seconds.

        It is twice the longest job plus the longest time without a due job. The latter is 0 for
        bursts, the drawn gap if the rate changes, since there may be pauses, else ten mean gaps.
        """
        jobs_s = (
            rough_job_s(JOB_KINDS[plan.kind], plan.parameters)
            for plan in self.plans
            if plan.kind in JOB_KINDS
        )
        gaps_s = (
            plan.longest_gap_s or 10 / plan.rate_per_s for plan in self.plans if plan.rate_per_s > 0
        )
        return 2 * max(jobs_s, default=0.0) + max(gaps_s, default=0.0)


def read_run_hash(client: redis.Redis, run: str) -> RunHash:
    """Return a run's hash.

    Args:
        client: a client that decodes its answers.
        run: the run's id.

    Raises:
        StackError: if it is absent or garbled.
    """
    found = cast("dict[str, str]", client.hgetall(run_key(run)))
    if not found:
        raise StackError(
            f"{run_key(run)} is not in Redis: the number of jobs sent is unknown. "
            "Its lines are kept, and no summary is published."
        )
    try:
        plans = _PLANS.validate_json(found["trials"], strict=True)
        return RunHash(
            run=run,
            created_ns=int(found["created_ns"]),
            source=found["source"],
            plans=plans,
            sent={plan.trial: int(found.get(sent_field(plan.trial), 0)) for plan in plans},
            sent_all_ns=int(found["sent_all_ns"]) if "sent_all_ns" in found else None,
            boot_id=found.get("boot_id") or None,
            calibration=read_calibration(found.get("calibration")),
        )
    except (KeyError, ValueError) as error:
        fault = first_fault(error, "trials") if isinstance(error, ValidationError) else repr(error)
        raise StackError(
            f"{run_key(run)} in Redis can't be read: {fault}. "
            "Submit the run again under another name."
        ) from error
