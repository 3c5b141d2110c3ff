"""Shows advice in a terminal: one screen at 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.advise.advice import Advice
from lab.advise.boundaries import MOST_CHANGE
from lab.advise.decision import Expected, Outcome
from report import format as fmt
from report.statistics.ratios import CLAIM_BLOCKS, Median

#: Text of a condition of the SLO in a table, by whether it is met.
_MET = {True: "met", False: "missed", None: "unclear"}

#: Sentence of what a pool does with a feature, by the outcome of the survey.
_STOPS = {"ignored": "{pool} ignores it", "breaks": "{pool} breaks on it"}


def render(advice: Advice) -> RenderableType:
    """Return the advice for a terminal."""
    parts: list[RenderableType] = [_subject(advice), Text(), _headline(advice)]
    parts += [Text(reason) for reason in advice.decision.reasons]
    parts += [Text(line) for line in _headroom(advice)]
    if advice.command:
        parts += [Text(), *_command(advice)]
    for case, measured in advice.measured.items():
        parts += [Text(), _table(advice, measured=measured, case=case)]
    if advice.measured:
        parts.append(_origin(advice))
    parts += _listed(f"What {_pool(advice)} would stop doing for this app", _stops(advice))
    if advice.is_advice:
        changes = [f"If {one.change}: {one.setting.name}." for one in advice.boundaries]
        nothing = (
            f"No input changed by less than a factor of {MOST_CHANGE:.0f} leads to another kind."
        )
        parts += _listed("What would change this advice", changes or [nothing])
    parts += _listed("What to record", [] if advice.is_advice else list(advice.demand.gaps))
    if advice.rules:
        parts += [Text(), Text("How the candidates were found", "bold"), _rules(advice)]
    return Group(*parts)


def _subject(advice: Advice) -> Text:
    demand = advice.demand
    executions = sum(one.executions for one in demand.tasks)
    jobs = fmt.counted(executions, noun="execution")
    tasks = fmt.counted(len(demand.tasks), noun="task")
    about = f"{fmt.minutes(demand.span_s)}, {jobs} of {tasks}, today {demand.today.name}"
    return Text.assemble(", ".join(advice.files), "  ", (about, "dim"))


def _headline(advice: Advice) -> Text:
    decision = advice.decision
    advised = decision.advised
    match decision.outcome:
        case Outcome.ABSTAIN:
            why = ": the evidence is too thin" if advice.demand.gaps else ""
            return Text(f"No advice{why}.", "bold yellow")
        case Outcome.NONE:
            return Text(f"No setting met {_slo(advice)}.{_nearest(advised)}", "bold yellow")
        case Outcome.STAY:
            return Text("Stay with what you have.", "bold green")
    name = advised.setting.name if advised else ""
    is_claim = advised is not None and advised.ratio is not None and advised.ratio.is_claim
    change = "Change" if is_claim else "Probably change"
    return Text(f"{change} to {name}{_gain(advised)}.", "bold green")


def _gain(advised: Expected | None) -> str:
    ratio = advised.ratio if advised else None
    if ratio is None:
        return ""
    if not ratio.is_claim:
        times = fmt.times_range(ratio.low, high=ratio.high)
        done = f"{ratio.blocks} of {CLAIM_BLOCKS} repetitions, no claim"
        return f": {times} today's throughput at the limit ({done})"
    times = f"{fmt.times(ratio.value)} {fmt.interval(ratio.low, high=ratio.high)}"
    return f": {times} today's throughput at the limit"


def _headroom(advice: Advice) -> Iterator[str]:
    """Yield how much more than the recorded rate today's setting does, if it needs no change."""
    rate_per_s = advice.demand.per_s
    today = next(iter(advice.measured.values()), ())[:1]
    if advice.decision.outcome is not Outcome.CHANGE or not rate_per_s:
        return
    for one in today:
        if one.is_met and one.per_s and one.is_within(advice.limits):
            times = fmt.number(one.per_s.median / rate_per_s)
            yield f"Today's setting keeps the bounds too, at up to {times} × the recorded rate."


def _nearest(advised: Expected | None) -> str:
    if advised is None or advised.wait_s is None:
        return ""
    return f" {advised.setting.name} was nearest: p95 wait {fmt.duration(advised.wait_s.median)}."


def _slo(advice: Advice) -> str:
    bounds = [
        f"{name.removesuffix('_s')} < {fmt.duration(value)}" for name, value in advice.slo.items()
    ]
    limits = [
        f"memory {fmt.size(advice.limits.memory_bytes)}" if advice.limits.memory_bytes else "",
        f"{advice.limits.connections} connections" if advice.limits.connections else "",
    ]
    return fmt.listed([one for one in (*bounds, *limits) if one]) or "the recorded rate"


def _command(advice: Advice) -> Iterator[Text]:
    advised = advice.decision.advised
    if advised and advised.setting.workers > 1:
        yield Text(f"Start {advised.setting.workers} of these, each with its own -n:")
    yield Text(f"  {advice.command}", "cyan")


def _table(advice: Advice, *, measured: tuple[Expected, ...], case: str) -> RenderableType:
    """Return a row a setting, each figure with its interval below."""
    title = f"If the unknown computing {'holds' if case == 'held' else 'releases'} the GIL"
    table = Table(box=None, pad_edge=False, title=title if case else None, title_justify="left")
    table.add_column("", no_wrap=True)
    for column in ("p95 wait", "SLO", "at the limit", "memory", "connections"):
        table.add_column(column, justify="right", no_wrap=True)
    for number, one in enumerate(measured):
        table.add_row(*_cells(advice, one, is_today=number == 0))
    return table


def _origin(advice: Advice) -> Text:
    """Return where the figures of the tables are from."""
    repetitions = fmt.counted(advice.repetitions, noun="repetition")
    left_out = ""
    if advice.left_out:
        left_out = f" The budget had no room for {fmt.listed([*advice.left_out])}."
    return Text(
        f"Medians and ranges of {repetitions} of the recording's busiest "
        f"{fmt.duration(advice.span_s)} with stand-ins; memory and connections by the recording."
        f"{left_out} All reasons and remedies: "
        f"poolbench report {Path(advice.run).name} --details",
        "dim",
    )


def _cells(advice: Advice, one: Expected, *, is_today: bool) -> Iterator[Text]:
    advised = advice.decision.advised
    is_advised = advised is not None and advised.setting == one.setting
    name = Text(f"{'→' if is_advised else ' '} {one.setting.name}", "bold" if is_advised else "")
    yield Text.assemble(name, ("\n  today", "dim")) if is_today else name
    if not one.is_valid:
        yield Text("invalid")
        for _ in range(4):
            yield Text(fmt.NOTHING)
        return
    yield _figure(one.wait_s, written=fmt.duration)
    yield Text(_MET[one.is_met])
    yield _figure(one.per_s, written=lambda value: f"{fmt.number(value)}/s")
    yield _figure(one.memory_bytes, written=fmt.size)
    yield _figure(one.connections, written=lambda value: f"{value:.0f}")


def _figure(value: Median | None, *, written: Callable[[float], str]) -> Text:
    """Return a median with its interval on the next line, whose unit is written once."""
    if value is None:
        return Text("unknown")
    low, high = written(value.low), written(value.high)
    if low == high:
        return Text(high)
    (first, unit), (_, other) = _split(low), _split(high)
    interval = f"{first}–{high}" if unit == other else f"{low}–{high}"
    return Text.assemble(written(value.median), (f"\n{interval}", "dim"))


def _split(text: str) -> tuple[str, str]:
    """Return the number of a figure, and its unit."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ/ ")
    return number, text.removeprefix(number)


def _pool(advice: Advice) -> str:
    advised = advice.decision.advised
    return advised.setting.pool if advised else ""


def _stops(advice: Advice) -> list[str]:
    return [
        f"{name}: {_STOPS[how].format(pool=_pool(advice))}." for name, how in advice.stops.items()
    ]


def _listed(title: str, lines: list[str]) -> list[RenderableType]:
    if not lines:
        return []
    return [Text(), Text(title, "bold"), *(Padding(Text(line), (0, 0, 0, 2)) for line in lines)]


def _rules(advice: Advice) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for rule in advice.rules:
        table.add_row(
            f"  {rule.name}", Text.assemble((f"{rule.inputs} → ", "dim"), rule.conclusion)
        )
    for pool, why in advice.excluded.items():
        if pool != advice.demand.today.pool:
            table.add_row(f"  not {pool}", why)
    return table
