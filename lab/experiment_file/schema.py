"""An experiment's file as a person writes it: its tables and keys, typed and bounded."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from poolbench.keys import NAME

#: A trial without a line for so long is over, where the file doesn't say, seconds.
DEFAULT_STALL_S = 10.0

#: The most that it may be, seconds.
LONGEST_STALL_S = 3_600.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ContenderInput(_Strict):
    """A `[[contender]]` table."""

    name: str = Field(pattern=f"^{NAME.pattern}$")
    pool: str
    slots: int | Literal["cores"]
    note: str = ""
    interpreter: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)


class SweepInput(_Strict):
    """The `[sweep]` table: one contender, or several, at each of some values of one setting."""

    of: str | list[str] = Field(min_length=1)
    setting: str
    values: list[Any]


class PartInput(_Strict):
    """A `[[workload.mix]]` table: one sort of job among several, and how many of them it is."""

    name: str = Field(pattern=f"^{NAME.pattern}$")
    kind: str
    parameters: dict[str, int | float] = Field(default_factory=dict)
    share: float


class WorkloadInput(_Strict):
    """A `[[workload]]` table; its name is the kind's unless it is given."""

    #: Empty: a mix.
    kind: str = ""
    name: str = ""
    parameters: dict[str, int | float] = Field(default_factory=dict)
    mix: list[PartInput] = Field(default_factory=list)
    #: Empty: `capacity`, or `rate` where arrivals are given.
    measure: str = ""
    #: As `producer.arrivals.read_schedule` takes it, or completed by the length of a trial.
    arrivals: dict[str, Any] | None = None


class ProfileInput(_Strict):
    """A `[profile.NAME]` table: how much of the experiment a command runs."""

    repetitions: int = Field(ge=1, le=1_000)
    trial_s: float = Field(gt=0.05, le=600)
    contenders: list[str] = Field(min_length=1)


class ExperimentInput(_Strict):
    """The whole file."""

    title: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0)
    stall_s: float = Field(default=DEFAULT_STALL_S, gt=0, le=LONGEST_STALL_S)
    twin: str | None = None
    contender: list[ContenderInput] = Field(min_length=1)
    workload: list[WorkloadInput] = Field(min_length=1)
    profile: dict[str, ProfileInput] = Field(min_length=1)
    sweep: SweepInput | None = None
    #: Thresholds, by `report.compare.fail_on`.
    fail_on: list[str] = Field(default_factory=list)
    #: Bounds that a rate has to keep in order to be held, seconds by name.
    slo: dict[str, float] = Field(default_factory=dict)
