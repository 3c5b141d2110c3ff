"""Messages about an experiment's file: each fault at its line, and all of them at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lab.experiment.file_table import CONSTRAINTS
from lab.experiment_file import messages
from lab.experiment_file.schema import ExperimentInput
from poolbench import constraints
from tests.unit.lab.experiment_file.test_loader import faults_of, load

#: Every table and nearly every key, once.
FULL = """\
title = "Which?"
stall_s = 10.0
twin = "solo"
fail_on = ["threads: throughput < 1.5 * solo"]

[slo]
p95_wait_s = 1.0

[sweep]
of = ["threads", "gevent"]
setting = "slots"
values = [1, 8]

[profile.demo]
repetitions = 2
trial_s = 0.5
contenders = ["solo", "threads"]

[[contender]]
name = "solo"
pool = "solo"
slots = 1
settings = { events = true, flower = true }

[[contender]]
name = "threads"
pool = "threads"
slots = 4
interpreter = "free-threaded"

[[contender]]
name = "gevent"
pool = "gevent"
slots = 4
note = "swept"

[[workload]]
kind = "io.sleep"
parameters = { delay_ms = 10 }

[[workload]]
name = "ramp"
kind = "io.http"
arrivals = { how = "ramp", rate_per_s = 5, to_rate_per_s = 9 }

[[workload]]
name = "curve"
kind = "cpu.json"
measure = "curve"
arrivals = { how = "constant" }

[[workload]]
name = "both"
measure = "capacity"

[[workload.mix]]
name = "short"
kind = "io.sleep"
share = 0.9

[[workload.mix]]
name = "long"
kind = "cpu.primes"
parameters = { work_ms = 80 }
share = 0.1
"""

SWEEP = 'of = ["threads", "gevent"]\nsetting = "slots"\nvalues = [1, 8]\n'

#: Of a contender with a Flower.
EVENTS = 'of = "solo"\nsetting = "events"\nvalues = [true, false]\n'

PLACES = [
    ('title = "Which?"', 'titel = "Which?"', 1, 'titel = "Which?" is invalid: unknown key. Did'),
    ('title = "Which?"', 'titel = "Which?"', 1, "title is missing. Write it."),
    ('title = "Which?"', 'title = ""', 1, 'title = "" is invalid: must not be empty.'),
    ("stall_s = 10.0", "stall_s = 4000", 2, "stall_s = 4000 is invalid: must be at most 3,600."),
    ('twin = "solo"', 'twin = "sole"', 3, "unknown contender. Did you mean solo?"),
    ("throughput <", "throughputs <", 4, "unknown figure: throughputs. Did you mean throughput?"),
    ("threads: thr", "thread: thr", 4, "there is no such row: thread/*. Did you mean threads?"),
    ("* solo", "* threads", 4, "threads can't be compared with itself. Name another contender."),
    ("p95_wait_s", "p95_wiat_s", 7, "slo.p95_wiat_s = 1.0 is invalid: unknown key. Did you mean"),
    ("p95_wait_s = 1.0", "p95_wait_s = 0.0", 7, "p95_wait_s = 0.0 is invalid: must be above 0."),
    ("p95_wait_s = 1.0", "", 49, "curve needs an SLO. Write [slo] with p95_wait_s = 1.0"),
    ('"gevent"]', '"gevnt"]', 10, "unknown contender. Did you mean gevent?"),
    ('"gevent"]', '"threads"]', 10, "it is listed twice. List each once."),
    ('["threads", "gevent"]\ns', '"solo"\ns', 12, "sweep.values = 8 is invalid: solo always has 1"),
    ('"slots"', '"slot"', 11, 'setting = "slot" is invalid: unknown setting. Did you mean slots?'),
    ('"slots"', '"slots"\nvalue = 3', 12, "sweep.value = 3 is invalid: unknown key. Leave it out."),
    ("[1, 8]", "[1]", 12, "sweep.values is invalid: must have at least 2 items."),
    ("[1, 8]", "[8, 8]", 12, "sweep.values = 8 is invalid: it is listed twice."),
    ("[1, 8]", "[0, 8]", 12, "sweep.values = 0 is invalid: pool threads takes 1 to 10000 slots."),
    ("[1, 8]", "[1, 1" + "0" * 400 + "]", 12, "pool threads takes 1 to 10000 slots."),
    ("[1, 8]", "[true, 8]", 12, "values = true is invalid: pool threads takes 1 to 10000 slots."),
    ("[1, 8]", '[1, "8"]', 12, 'values = "8" is invalid: must be a number, as the others are.'),
    ('"slots"', '"celery.task_queues"', 11, "Poolbench names the queues. Write queues."),
    ('"slots"', '"celery.worker_eta_limit"', 11, "Did you mean worker_eta_task_limit?"),
    ('"slots"', '"flower"', 12, "sweep.values = 1 is invalid: must be true or false."),
    (SWEEP, EVENTS, 12, "sweep.values = false is invalid: Flower shows what events report."),
    ('name = "solo"', 'name = "threads.slots-8"', 12, "threads.slots-8 is a contender already."),
    (
        "repetitions = 2",
        "repetitions = 0",
        15,
        "repetitions = 0 is invalid: must be at least 1.",
    ),
    ('["solo", "threads"]', '["solo", "solo"]', 17, '= "solo" is invalid: it is listed twice.'),
    ('"threads"]', '"threads.slots-9"]', 17, "unknown contender. Did you mean threads.slots-8?"),
    ('name = "gevent"', 'name = "Gevent 4"', 32, "must have at most 64 lowercase letters, digits"),
    ('name = "gevent"', 'name = "solo-twin"', 32, "-twin ends the name of a contender that is"),
    ('name = "gevent"', 'name = "solo"', 32, "it is listed twice. Rename one."),
    ('pool = "solo"', 'pool = "solos"', 21, '"solos" is invalid: unknown pool. Did you mean solo?'),
    ("ts = 1", "ts = 3", 22, "slots = 3 is invalid: solo always has 1 slot. Write slots = 1."),
    ("slots = 4\nn", "slots = 0\nn", 34, "slots = 0 is invalid: pool gevent takes 1 to 10000"),
    (
        '"gevent"\nsl',
        '"gevent"\ninterpreter = "free-threaded"\nsl',
        33,
        "turns the GIL on. Use one",
    ),
    ('note = "swept"', "note = [1]", 35, "contender.note is invalid: must be a string."),
    ('note = "swept"', "acks_late = true", 35, "unknown key. Write it in settings."),
    ("flower", "flwer", 23, "settings.flwer = true is invalid: unknown key. Did you mean flower?"),
    ("events = true", "slots = 2", 23, "unknown key. Write it next to pool, not in settings."),
    ("events = true", "events = false", 23, "Flower shows what events report. Set events = true"),
    ("events = true", "acks_late = 1", 23, "settings.acks_late = 1 is invalid: must be true or"),
    ("events = true", "redis_delay_ms = nan", 23, "redis_delay_ms = nan is invalid"),
    ('kind = "io.sleep"', 'kind = "io.sleeps"', 38, "unknown job kind. Did you mean io.sleep?"),
    ('kind = "io.sleep"', "", 37, "workload.mix is invalid: a workload has a kind, or a mix"),
    (
        "delay_ms = 10",
        "delay = 10",
        39,
        "parameters.delay = 10 is invalid: unknown parameter of",
    ),
    ("delay_ms = 10", "delay_ms = -10", 39, "delay_ms = -10 is invalid: must be 0 to 3,600,000 ms"),
    ("delay_ms = 10", "delay_ms = 1" + "0" * 400, 39, "must be 0 to 3,600,000 ms"),
    ("delay_ms = 10", "delay_ms = 20000", 39, "20 s. Shorten the job, or raise stall_s, now 10."),
    ('name = "ramp"', 'name = "curve"', 47, "it is listed twice. Rename one."),
    ('measure = "curve"', 'measure = "sustian"', 49, "unknown measure. Did you mean sustain?"),
    ('measure = "curve"', 'measure = "capacity"', 50, "arrives at once. Leave arrivals out."),
    ('"capacity"', '"rate"', 52, "arrivals is invalid: a rate needs it. Write {"),
    ('"ramp",', '"rmp",', 44, 'arrivals.how = "rmp" is invalid: unknown arrivals. Did you'),
    ('how = "ramp", ', "", 44, "workload.arrivals.how is missing. Write it."),
    ('how = "ramp"', 'how = "burst"', 44, "a burst has no rate. Leave arrivals out"),
    (", to_rate_per_s = 9", "", 44, "arrivals.to_rate_per_s is invalid: ramp arrivals need it"),
    (" rate_per_s", " rate", 44, "ramp arrivals have none. Use one of count, over_s, rate_per_s."),
    ("= 5,", "= inf,", 44, "rate_per_s = inf is invalid: must be a finite number"),
    ('how = "constant"', 'how = "ramp"', 50, "unknown arrivals of a search. Use one of constant"),
    ('"constant"', '"constant", count = 5', 50, "Leave it out: a search finds the rate itself."),
    (
        '"both"',
        '"both"\nkind = "io.sleep"',
        57,
        "each part of a mix has its own kind and parameters.",
    ),
    ("share = 0.1", "share = 0.2", 59, "the shares must sum to 1: 0.9 + 0.2 = 1.1."),
    ("share = 0.1", "share = -0.1", 65, "share = -0.1 is invalid: must be above 0."),
    ("share = 0.1", "shares = 0.1", 65, "shares = 0.1 is invalid: unknown key. Did you mean"),
    ('"cpu.primes"', '"cpu.prime"', 63, "unknown job kind. Did you mean cpu.primes?"),
    ('name = "long"', 'name = "short"', 62, "it is listed twice. Rename one."),
    ("work_ms = 80", "work_ms = 20000", 64, "a job lasts longer than a trial may be silent: 20 s."),
]


def test_the_file_of_these_tests_is_valid(tmp_path: Path) -> None:
    """So that each fault comes from what a test changes."""
    load(tmp_path, FULL)


@pytest.mark.parametrize(("old", "new", "line", "words"), PLACES)
def test_a_fault_names_its_line_its_value_and_what_is_valid(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """Also in the second of several tables, in a sweep's list and in a part of a mix."""
    assert old in FULL
    faults = faults_of(tmp_path, FULL.replace(old, new, 1))

    assert any(f"some.toml:{line}: " in fault and words in fault for fault in faults), faults


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    """Of every table, and each as one whole line."""
    text = FULL
    for old, new in (
        ("stall_s = 10.0", 'stall_s = "10"'),
        ('pool = "solo"', 'pool = "thread"'),
        ("repetitions = 2", "repetitions = 0"),
        ("delay_ms", "delay"),
        ('"cpu.primes"', '"cpu.prime"'),
        ("share = 0.9", ""),
    ):
        text = text.replace(old, new, 1)

    faults = [fault.removeprefix(str(tmp_path)) for fault in faults_of(tmp_path, text)]

    assert "\n".join(faults) == (
        '/some.toml:2: stall_s = "10" is invalid: must be a number.\n'
        '/some.toml:21: contender.pool = "thread" is invalid: unknown pool. '
        "Did you mean threads?\n"
        "/some.toml:15: profile.demo.repetitions = 0 is invalid: must be at least 1.\n"
        "/some.toml:39: workload.parameters.delay = 10 is invalid: unknown parameter of io.sleep. "
        "Did you mean delay_ms?\n"
        "/some.toml:56: workload.mix.share is missing. Write it.\n"
        '/some.toml:63: workload.mix.kind = "cpu.prime" is invalid: unknown job kind. '
        "Did you mean cpu.primes?"
    )


def test_the_tables_of_before_show_the_new_form(tmp_path: Path) -> None:
    """One fault for all `[[require]]` tables, at the first."""
    table = '[[require]]\nfigure = "failed_jobs"\nat_most = 0\n'

    (fault,) = faults_of(tmp_path, FULL + table + table)

    line = FULL.count("\n") + 1
    assert f"some.toml:{line}: require is invalid: unknown key. Write above all tables" in fault
    assert 'fail_on = ["failed_jobs > 0"' in fault


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    """A message stays one line."""
    (fault,) = faults_of(tmp_path, FULL.replace('"swept"', f'"swept"\nx = "{"y" * 500}"'))

    assert "…" in fault
    assert len(fault) - len(str(tmp_path)) < 200


def mutants(table: Any) -> Iterator[Any]:
    """Yield a table with one value lost, replaced by one of each type, or with one key more."""
    values: tuple[Any, ...] = (
        *("", "x", -1, 10**9, 0.5, float("nan"), True),
        *([], [5], {}, {"x": 1}, datetime.now(UTC)),
    )
    if isinstance(table, dict):
        yield {**table, "xyzzy": 1}
    for key in table if isinstance(table, dict) else range(len(table)):
        lost = deepcopy(table)
        del lost[key]
        changed: list[Any] = [lost]
        inner = mutants(table[key]) if isinstance(table[key], dict | list) else ()
        for value in (*values, *inner):
            other = deepcopy(table)
            other[key] = value
            changed.append(other)
        yield from changed


def test_every_error_of_pydantic_has_words_of_ours() -> None:
    """The catalogue has all types of errors that a file can cause; its own are all needed."""
    types: set[str] = set()
    for mutant in mutants(tomllib.loads(FULL)):
        try:
            ExperimentInput.model_validate(mutant)
        except ValidationError as error:
            types |= {one["type"] for one in error.errors()}
            for fault in messages.faults_of(error, table=mutant, where="file", text=FULL):
                assert re.fullmatch(r"file:\d+: [^{}]+ is (missing\.|invalid: ).+[.?]", str(fault))
                assert not re.search(
                    r"Input should|Field required|not permitted|valid ", str(fault)
                )

    assert CONSTRAINTS.keys() - constraints.CONSTRAINTS.keys() <= types <= CONSTRAINTS.keys()
