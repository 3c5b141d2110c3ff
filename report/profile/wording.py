"""The words that the terminal and the page of a profile share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collector.recording import RecordedWorker
from report import format as fmt
from report.legend import CAUSES
from report.profile.model import Level, PrefetchUse, Profile, TaskProfile
from report.trials.wait_causes import WaitCauses

#: State of a slot → its name in charts, and its meaning.
STATE_WORDS: Mapping[str, tuple[str, str]] = {
    "core_held": ("core, GIL held", "on a core with the GIL, for which other threads waited"),
    "core_released": ("core, GIL free", "on a core without the GIL"),
    "core": ("core, GIL ?", "on a core; whether it held the GIL isn't known"),
    "runnable": ("no core", "ready to run, and no core was free"),
    "gil_wait": ("GIL wait", "waiting for the GIL"),
    "lock_wait": ("other lock", "waiting for a lock that isn't the GIL"),
    "any_lock": ("lock, GIL ?", "waiting for a lock; whether it is the GIL isn't known"),
    "io_wait": ("I/O or timer", "waiting for network, disk, a timer or a child process"),
    "unknown": ("unreadable", "its thread's state could not be read"),
}

#: Text of a figure that the recording doesn't show.
UNKNOWN = "?"

#: Columns of states in tables: title → the states whose shares they add, and their meaning.
_COLUMNS_OF_STATES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "core": (("core_held", "core_released", "core"), "computing"),
    # one word, since titles have one space between them
    "no-core": (("runnable",), "ready, and no core was free"),
    "GIL": (("gil_wait",), "waiting for it"),
    "lock": (("lock_wait", "any_lock"), "waiting for one"),
    "wait": (("io_wait",), "for network, disk or a timer"),
}

#: Columns that are there whatever was sampled; the others need a share that is shown.
_ALWAYS = ("core", "wait")

#: Smallest share that is shown.
_SEEN = 0.005

#: Most workers that are named; of more, or of more prefetch counts, their number is given.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table of tasks."""

    title: str
    show: Callable[[TaskProfile], str]
    #: Whether it is left out on narrow terminals.
    is_wide: bool = False


def task_columns(profile: Profile) -> list[Column]:
    """Return the columns after the task's name; those of states only if any task has them."""
    return [
        Column(title="jobs", show=lambda task: fmt.count(task.executions)),
        Column(title="/s", show=lambda task: fmt.number(task.jobs_per_s), is_wide=True),
        Column(title="busy", show=lambda task: _share(task.busy_share)),
        Column(title="p50", show=lambda task: fmt.duration(task.wall_s.p50)),
        Column(title="p95", show=lambda task: fmt.duration(task.wall_s.p95)),
        Column(title="max", show=lambda task: fmt.duration(task.wall_max_s), is_wide=True),
        Column(title="CPU", show=lambda task: _or_unknown(task.cpu_s), is_wide=True),
        *_state_columns(profile),
        Column(title="+ memory", show=growth, is_wide=True),
        Column(title="bad ends", show=bad_ends, is_wide=True),
    ]


def keys(profile: Profile) -> list[str]:
    """Return the meaning of the columns of states that the table of tasks has."""
    found = []
    if any(task.states for task in profile.tasks):
        named = (f"{title}: {meaning}" for title, (_, meaning) in _seen_columns(profile).items())
        found.append(f"Shares of the duration, by samples. {'; '.join(named)}.")
    if any(task.running_share is not None for task in profile.tasks):
        found.append(
            "ran: share of the duration in which its slot ran; blocks: in stretches of 50 ms or "
            "more, while other slots stopped."
        )
    return found


def _seen_columns(profile: Profile) -> dict[str, tuple[tuple[str, ...], str]]:
    return {
        title: (states, meaning)
        for title, (states, meaning) in _COLUMNS_OF_STATES.items()
        if title in _ALWAYS or any(_sum(task, states=states) >= _SEEN for task in profile.tasks)
    }


def _state_columns(profile: Profile) -> list[Column]:
    found = []
    if any(task.states for task in profile.tasks):
        found += [
            Column(title=title, show=_state_share(states))
            for title, (states, _) in _seen_columns(profile).items()
        ]
    if any(task.running_share is not None for task in profile.tasks):
        found += [
            Column(title="ran", show=lambda task: _share(task.running_share)),
            Column(title="blocks", show=lambda task: _share(task.blocked_share)),
        ]
    return found


def _state_share(states: tuple[str, ...]) -> Callable[[TaskProfile], str]:
    def show(task: TaskProfile) -> str:
        return _share(_sum(task, states=states) if task.states else None)

    return show


def _sum(task: TaskProfile, *, states: tuple[str, ...]) -> float:
    return sum(task.states.get(one, 0.0) for one in states)


def _share(share: float | None) -> str:
    """Return a share in whole percents; a dot for 0, so that the others are seen."""
    if share is None:
        return UNKNOWN
    return f"{100 * share:.0f} %" if share >= _SEEN else "·"


def _or_unknown(value_s: float | None) -> str:
    return UNKNOWN if value_s is None else fmt.duration(value_s)


def growth(task: TaskProfile) -> str:
    """Return the growth of memory by a job, with its interval if it excludes 0."""
    found = task.growth_bytes
    if found is None:
        return UNKNOWN
    if found.low <= 0 <= found.high:
        return "0"
    return f"{fmt.size(found.value)} [{fmt.size(found.low)}–{fmt.size(found.high)}]"


def bad_ends(task: TaskProfile) -> str:
    """Return the executions that were retried, failed, timed out or were lost."""
    named = {
        "retried": task.retries,
        "failed": task.failures,
        "timed out": task.timeouts,
        "lost": task.lost,
        "unfinished": task.unfinished,
    }
    return ", ".join(f"{count:,} {name}" for name, count in named.items() if count) or "–"


def title(profile: Profile) -> str:
    """Return the workers and what was recorded, as one sentence."""
    kinds = [", ".join(filter(None, (one.pool, _slots(one)))) for one in profile.workers]
    names = [worker.name for worker in profile.workers]
    if len(names) > _NAMED:
        counts = Counter(kinds)
        kinds = [*counts]
        names = [fmt.counted(count, noun="worker") for count in counts.values()]
    workers = ", ".join(f"{name} ({kind})" for name, kind in zip(names, kinds, strict=True))
    jobs = fmt.counted(profile.executions, noun="execution")
    of_tasks = fmt.counted(len(profile.tasks), noun="task")
    span = fmt.minutes(profile.span_s)
    return f"{workers or 'an unknown worker'}: {jobs} of {of_tasks} in {span}"


def _slots(worker: RecordedWorker) -> str:
    """Return the number of a worker's slots, or the range of an autoscaled one."""
    match worker.effective.get("autoscale"):
        case [most, fewest]:
            return f"{fewest} to {most} slots"
    return fmt.counted(worker.slots, noun="slot") if worker.slots else ""


def conditions(profile: Profile) -> str:
    """Return the versions and the machine."""
    parts = [
        *(f"Python {one}" for one in profile.pythons),
        *(f"Celery {one}" for one in profile.celeries),
        *([f"{profile.cores:g} cores"] if profile.cores else []),
        fmt.moment(profile.begin_ns),
    ]
    return ", ".join(parts)


def settings_lines(profile: Profile) -> list[tuple[str, str]]:
    """Return what the worker's settings did to the jobs: a name and a sentence each."""
    slots = profile.slots
    of_slots = f" of {slots.available:.3g}" if slots.available else ", of an unknown number"
    lines = [
        (
            "slots busy",
            f"{slots.mean:.3g}{of_slots} on average; p95 {slots.p95:g}, most {slots.most:g}",
        ),
        ("wait", _wait(profile)),
    ]
    if profile.loop_states:
        lines.append(("the slots' thread", states_text(profile.loop_states)))
    if profile.prefetch:
        lines.append(("prefetch count", _prefetch(profile)))
    memory = _level(profile.pss_bytes, show=fmt.size)
    if profile.processes:
        memory += f"; processes: {_plain(profile.processes.most)} at most"
    lines.append(("memory (PSS)", memory))
    lines.append(("connections", _level(profile.connections, show=_plain)))
    lines.append(("CPU", _cpu(profile)))
    return lines


def task_lines(task: TaskProfile) -> list[tuple[str, str]]:
    """Return what is known of a task beside its columns: a name and a sentence each."""
    mean = f"mean {fmt.duration(task.wall_mean_s)}, max {fmt.duration(task.wall_max_s)}"
    states = f"{states_text(task.states)}; sampled {fmt.percent(task.sampled_share)}"
    bursts = "fewer than 100 arrivals"
    if task.dispersion is not None:
        limit = fmt.number(task.dispersion_limit)
        source = "" if task.published_share == 1 else ", by receipt"
        bursts = f"{fmt.number(task.dispersion)}{source} (random arrivals: up to {limit})"
    sizes = f"p50 {fmt.size(task.message_bytes.p50)}, most {fmt.size(task.message_max_bytes)}"
    return [
        ("duration", mean),
        ("states", states),
        ("child CPU", _or_unknown(task.child_cpu_s)),
        ("memory of its process", f"p95 {_size(task.rss_p95_bytes)}, by each job {growth(task)}"),
        ("ended badly", bad_ends(task)),
        ("index of dispersion", bursts),
        ("queues", ", ".join(task.queues) or UNKNOWN),
        ("message", sizes),
        ("wait", waits_text(task.waits)),
    ]


def _size(value_bytes: float | None) -> str:
    return UNKNOWN if value_bytes is None else fmt.size(value_bytes)


def states_text(states: Mapping[str, float]) -> str:
    """Return shares by state, in the order of the states."""
    named = (
        f"{STATE_WORDS[state][0]} {fmt.percent(share)}"
        for state, share in states.items()
        if share >= _SEEN
    )
    return ", ".join(named) or UNKNOWN


def _prefetch(profile: Profile) -> str:
    """Return the prefetch counts of all sessions, those that are alike once."""
    is_alone = len(profile.workers) == 1
    by_change = sorted(profile.prefetch, key=lambda use: use.start - use.most)
    found = [*dict.fromkeys(_count(use, has_name=not is_alone) for use in by_change)]
    rest = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return "; ".join([*found[:_NAMED], *rest])


def _count(use: PrefetchUse, *, has_name: bool) -> str:
    moved = f"{use.start} → {use.most} → {use.end}" if use.most > use.start else f"{use.start}"
    asked = "" if use.asked is None else f" (asked: {use.asked or 'no limit'})"
    return f"{use.worker}: {moved}{asked}" if has_name else f"{moved}{asked}"


def _wait(profile: Profile) -> str:
    parts = [waits_text(profile.waits)]
    if profile.wait_s.p95 is not None:
        parts.append(f"p95 {fmt.duration(profile.wait_s.p95)}")
    if profile.waits and profile.published_share < 1:
        share = fmt.percent(1 - profile.published_share)
        parts.append(f"of {share} of the executions, from receipt only")
    return "; ".join(parts)


def waits_text(waits: WaitCauses | None) -> str:
    """Return the mean wait and the shares of its causes, the largest first."""
    if waits is None:
        return f"{UNKNOWN}: no execution was seen from its publication or receipt"
    ordered = sorted(waits.causes.items(), key=lambda one: -one[1].share)
    shares = ", ".join(f"{CAUSES[cause][0]} {fmt.percent(one.share)}" for cause, one in ordered)
    return f"mean {fmt.duration(waits.mean_s)}{f': {shares}' if shares else ''}"


def _plain(value: float | None) -> str:
    return fmt.NOTHING if value is None else f"{value:.3g}"


def _level(level: Level | None, *, show: Callable[[float | None], str]) -> str:
    if level is None:
        return f"{UNKNOWN}: not sampled"
    text = f"{show(level.mean)} on average, most {show(level.most)}"
    if level.per_hour and abs(level.per_hour) >= 0.01 * level.mean:
        verb = "grows" if level.per_hour > 0 else "shrinks"
        text += f"; {verb} by {show(abs(level.per_hour))} an hour"
    return text


def _cpu(profile: Profile) -> str:
    if profile.worker_cores is None:
        return f"{UNKNOWN}: not sampled"
    costs = [profile.recorder_cores or 0.0, profile.sampler_cores or 0.0]
    text = f"{fmt.number(profile.worker_cores)} cores"
    if profile.throttled_share:
        text += f", stopped by a quota for {fmt.percent(profile.throttled_share)} of the time"
    return f"{text}; the recording itself: {fmt.number(sum(costs))}"
