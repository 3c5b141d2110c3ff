"""The jobs of an experiment file: kinds, tasks of an app, their options, and parts of a mix."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from collector.run_manifest import AppCall
from lab.experiment.file_table import FileTable, broken
from lab.experiment.model import MIX
from lab.experiment_file.rules import (
    Name,
    QueueName,
    above,
    errors_of,
    keys_of,
    one_of,
)
from lab.experiment_file.slo import Slo
from poolbench.errors import UsageError
from poolbench.format import listed
from poolbench.job_options import JobOptions, Retry
from poolbench.jobs import JOB_KINDS, complete_parameters, find_kind, rough_job_s

#: Upper bound of `stall_s`, seconds.
LONGEST_STALL_S = 3_600.0

#: Longest countdown and longest time until a job expires, seconds.
LONGEST_DELAY_S = 3_600.0

#: Largest unused argument and largest result of a job, bytes.
MAX_PAYLOAD_BYTES = 100_000
MAX_RESULT_BYTES = 1_000_000

#: What a job of several executions may be, and which of the options it may have.
SHAPES = ("chain", "group", "chord")
CANVAS_OPTIONS = ("queue", "priority")

#: Fewest executions of such a job; Celery sends a chord of one as a chain.
MIN_STEPS = 2

#: The keys that only a task of an app has, and those that only Poolbench's own kinds have.
OF_A_TASK = ("args", "kwargs", "arguments")
OF_A_KIND = ("kind", "parameters", "fail_share", "retry", "payload_bytes", "result_bytes")

#: A function in the app's Python that returns the arguments of a job.
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _is_of_no_app(kind: str, info: ValidationInfo) -> str:
    if above(info).get("app"):
        remedy = "write task, with the name of one of its tasks"
        raise broken("the workers of [app] run the app's tasks", remedy=remedy)
    return kind


def _complete(given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    if info.data.get("kind", MIX) == MIX:
        return given
    kind = find_kind(info.data["kind"])
    try:
        complete = complete_parameters(kind, given)
    except UsageError as error:
        raise errors_of((keys_of(fault), fault) for fault in error.faults) from error
    job_s, stall_s = rough_job_s(kind, complete), above(info).get("stall_s", LONGEST_STALL_S)
    if job_s >= stall_s:
        problem = "a job lasts longer than a trial may be silent"
        remedy = f"shorten the job, or raise stall_s, now {stall_s:g}"
        raise broken(problem, seen=f"{job_s:g} s", remedy=remedy)
    return complete


#: Keys of a job that are its options.
OPTIONS = {option.name for option in fields(JobOptions)}


class RetryInput(FileTable):
    """Jobs that do their work, fail once, and are retried."""

    #: Share of the jobs.
    share: float = Field(gt=0, le=1)
    #: Countdown of the second attempt, seconds.
    countdown_s: float = Field(default=1.0, ge=0, le=LONGEST_DELAY_S)


def _leaves_shares_below_one(retry: RetryInput | None, info: ValidationInfo) -> RetryInput | None:
    fail_share = info.data.get("fail_share", 0.0)
    if retry and fail_share + retry.share > 1:
        seen = f"{fail_share:g} + {retry.share:g}"
        raise broken("fail_share and retry.share must not exceed 1 together", seen=seen)
    return retry


def _is_a_rate_limit(limit: str) -> str:
    starts, _, period = limit.partition("/")
    if not (starts.isdecimal() and int(starts) and period in ("s", "m", "h")):
        remedy = 'write "6/m"; s, m and h are a second, a minute and an hour'
        raise broken("must be a whole number of starts in a period", remedy=remedy)
    return limit


class StepInput(FileTable):
    """One execution of a job of several: a kind with its parameters, complete."""

    #: What it does.
    kind: Annotated[str, AfterValidator(_is_of_no_app), one_of("job kind", JOB_KINDS)]
    #: Parameters of that kind; those left out have their defaults.
    parameters: Annotated[dict[str, Any], AfterValidator(_complete)] = Field(
        default_factory=dict, validate_default=True
    )


def _is_of_the_app(task: str, info: ValidationInfo) -> str:
    if "app" in (tables := above(info)) and not tables["app"]:
        raise broken("no app is named", remedy='write [app] with module = "shop"')
    if info.data.get("kind", MIX) != MIX:
        raise broken("a job has a kind or a task", remedy="write one of them")
    if info.data.get("parameters"):
        remedy = "write args, kwargs or arguments instead of parameters"
        raise broken("a task has no parameters", remedy=remedy)
    return task


def _are_arguments(given: Any, info: ValidationInfo) -> Any:
    _needs_task(info)
    try:
        json.dumps(given, allow_nan=False)
    except (TypeError, ValueError):
        remedy = 'write arguments = "module:function", a function that returns them'
        raise broken(
            "must be texts, numbers, true, false, lists or tables", remedy=remedy
        ) from None
    return given


def _is_a_function(name: str, info: ValidationInfo) -> str:
    _needs_task(info)
    if not _FUNCTION.fullmatch(name):
        raise broken("must be module:function", remedy='write "shop_bench:thumbnail_args"')
    if info.data.get("args") or info.data.get("kwargs"):
        raise broken("args and kwargs are given too", remedy="write one of them")
    return name


def _needs_task(info: ValidationInfo) -> None:
    if not info.data.get("task", True):
        raise broken("only a task of [app] has it", remedy="write task, or leave it out")


def _is_of_a_kind(value: Any, info: ValidationInfo) -> Any:
    if value and info.data.get("task"):
        problem = "only Poolbench's own kinds of jobs have it"
        raise broken(problem, remedy="leave it out: the app's task decides")
    return value


_OfAKind = AfterValidator(_is_of_a_kind)


class JobInput(StepInput):
    """A kind of job with its parameters, and what Celery does with the jobs."""

    #: What a job does.
    kind: Annotated[str, AfterValidator(_is_of_no_app), one_of("job kind", JOB_KINDS)] = MIX
    #: Instead of a kind, with `[app]`: the name of one of the app's tasks.
    task: Annotated[str, Field(min_length=1), AfterValidator(_is_of_the_app)] = ""
    #: Positional arguments of the task.
    args: Annotated[list[Any], AfterValidator(_are_arguments)] = Field(default_factory=list)
    #: Named arguments of the task.
    kwargs: Annotated[dict[str, Any], AfterValidator(_are_arguments)] = Field(default_factory=dict)
    #: Instead of them, a function in the app's Python, as `module:function`: it gets the job's
    #: number from 0 and returns `args`, or `args` and `kwargs` as a tuple of a list and a table.
    arguments: Annotated[str, AfterValidator(_is_a_function)] = ""
    #: Its own `[slo]`, instead of the workload's or the file's; `{}` for none.
    slo: Slo | None = None
    #: Queue of the jobs; a contender that doesn't consume it gets them in its default queue.
    queue: QueueName | None = None
    #: Celery's priority on Redis: 0 is served first, 9 last.
    priority: int | None = Field(default=None, ge=0, le=9)
    #: Time from when a job is due until a slot may start it, seconds.
    countdown_s: float = Field(default=0.0, ge=0, le=LONGEST_DELAY_S)
    #: Time from when a job is due until it expires, seconds.
    expires_s: float | None = Field(default=None, gt=0, le=LONGEST_DELAY_S)
    #: Share of the jobs that do their work and then fail.
    fail_share: Annotated[float, _OfAKind] = Field(default=0.0, ge=0, le=1)
    #: Jobs that do their work, fail once, and are retried.
    retry: Annotated[RetryInput | None, AfterValidator(_leaves_shares_below_one), _OfAKind] = None
    #: Most starts of its kind in each worker, as Celery writes it.
    rate_limit: Annotated[str, AfterValidator(_is_a_rate_limit)] | None = None
    #: Size of an argument that is sent with every job and read by none, bytes; it replaces the
    #: contender's.
    payload_bytes: Annotated[int, _OfAKind] = Field(default=0, ge=0, le=MAX_PAYLOAD_BYTES)
    #: Size of each job's result, bytes; it is stored where the contender stores results.
    result_bytes: Annotated[int, _OfAKind] = Field(default=0, ge=0, le=MAX_RESULT_BYTES)

    @property
    def call(self) -> AppCall | None:
        """Return the arguments of a task of the app; None for one of Poolbench's kinds."""
        if not self.task:
            return None
        return AppCall(args=tuple(self.args), kwargs=self.kwargs, function=self.arguments)

    @property
    def options(self) -> JobOptions:
        """Return what Celery does with the jobs in addition to running them."""
        given = {name: getattr(self, name) for name in OPTIONS & self.model_fields_set}
        given = {name: value for name, value in given.items() if value is not None}
        if self.retry:
            given["retry"] = Retry(**dict(self.retry))
        return JobOptions(**given)


class PartInput(JobInput):
    """One kind of job in a mix, and its share of the jobs."""

    #: Its name in tables, charts and records.
    name: Name
    #: Its share of the jobs; the shares of all parts add up to 1.
    share: float = Field(gt=0, le=1)
    #: Instead of a kind: the executions of each job, one after another.
    chain: list[StepInput] = Field(default=[], min_length=MIN_STEPS)
    #: Instead of a kind: the executions of each job, all at once.
    group: list[StepInput] = Field(default=[], min_length=MIN_STEPS)
    #: Instead of a kind: the executions of each job that are sent at once; `body` follows the last.
    chord: list[StepInput] = Field(default=[], min_length=MIN_STEPS)
    #: The last execution of a chord.
    body: StepInput | None = None

    @model_validator(mode="after")
    def _is_one_sort_of_job(self) -> Self:
        shapes = [shape for shape in SHAPES if getattr(self, shape)]
        if len(shapes) + (self.kind != MIX) + bool(self.task) != 1:
            problem = "a part has a kind, a task, a chain, a group or a chord"
            raise broken(problem, remedy="write one")
        if (shapes == ["chord"]) != (self.body is not None):
            remedy = 'write body = { kind = "io.sleep" } next to chord, and nowhere else'
            raise broken("a chord has a body", remedy=remedy)
        unused = [
            name
            for name in self.model_fields_set & {*OPTIONS, "parameters"}
            if name not in CANVAS_OPTIONS
        ]
        if shapes and unused:
            problem = f"a {shapes[0]} can't have {listed(sorted(unused))}"
            raise broken(problem, remedy=f"it can have {listed(list(CANVAS_OPTIONS))}")
        return self

    @property
    def shape(self) -> str:
        """Return ``chain``, ``group`` or ``chord``; empty for a job of one execution."""
        return next((shape for shape in SHAPES if getattr(self, shape)), "")

    @property
    def executions(self) -> tuple[StepInput, ...]:
        """Return the executions of each job, in order."""
        steps = [*self.chain, *self.group, *self.chord, *([self.body] if self.body else ())]
        return tuple(steps) or (self,)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Return the name of each execution in records and tables."""
        if not self.shape:
            return (self.name,)
        steps = enumerate(self.executions, start=1)
        return tuple(f"{self.name}.{number}-{step.kind}" for number, step in steps)


class CallInput(FileTable):
    """The arguments of a recorded task that the app itself runs, with `[app]`."""

    #: Name of the task.
    task: str = Field(min_length=1)
    #: Its positional arguments.
    args: Annotated[list[Any], AfterValidator(_are_arguments)] = Field(default_factory=list)
    #: Its named arguments.
    kwargs: Annotated[dict[str, Any], AfterValidator(_are_arguments)] = Field(default_factory=dict)
    #: Instead of them, a function in the app's Python, as in a workload of one task.
    arguments: Annotated[str, AfterValidator(_is_a_function)] = ""

    @property
    def call(self) -> AppCall:
        """Return its arguments."""
        return AppCall(args=tuple(self.args), kwargs=self.kwargs, function=self.arguments)
