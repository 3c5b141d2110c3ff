"""Experiments: what a file may say, and what is said of every fault in it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from collector.run_manifest import Canvas, Part
from lab.experiment.model import MIX, Experiment
from lab.experiment_file.loader import load_experiment
from poolbench.errors import ExitCode, UsageError
from poolbench.job_options import JobOptions, Retry

MINIMAL = """\
# Does it work?
title = "Does it work?"

[profile.demo]
repetitions = 2
trial_s = 0.5
contenders = ["one"]

[[contender]]
name = "one"
pool = "solo"
slots = 1

[[workload]]
kind = "io.sleep"
parameters = { delay_ms = 10 }
"""

MIXED = MINIMAL.replace('kind = "io.sleep"\nparameters = { delay_ms = 10 }\n', "") + (
    '\n[[workload.mix]]\nname = "short"\nkind = "io.sleep"\nparameters = { delay_ms = 10 }\n'
    'share = 0.9\n\n[[workload.mix]]\nname = "long"\nkind = "cpu.primes"\nshare = 0.1\n'
)


def load(folder: Path, text: str, *, profile: str = "demo") -> Experiment:
    """Write a text to a file and load it as a machine with two cores would."""
    file = folder / "some.toml"
    file.write_text(text, encoding="utf-8")
    return load_experiment(file, profile=profile, cores=2)


def faults_of(folder: Path, text: str, *, profile: str = "demo") -> list[str]:
    """Return the faults found in a text, as a person reads them."""
    with pytest.raises(UsageError) as caught:
        load(folder, text, profile=profile)
    assert caught.value.exit_code is ExitCode.USAGE
    return [str(fault) for fault in caught.value.faults]


def test_a_minimal_file_is_resolved(tmp_path: Path) -> None:
    """Defaults are filled in, the opening comment is the question, the text is kept.

    Without a measure and arrivals the whole backlog comes at once.
    """
    experiment = load(tmp_path, MINIMAL)

    assert experiment.question == "Does it work?"
    assert experiment.contenders[0].slots == 1
    assert experiment.fail_on == ()
    assert experiment.text == MINIMAL
    (workload,) = experiment.workloads
    assert workload.parameters == {"delay_ms": 10.0}
    assert (workload.name, workload.measure, workload.arrivals, workload.mix) == (
        *("io.sleep", "capacity", None, ()),
    )


def test_the_opening_comment_is_set_anew(tmp_path: Path) -> None:
    """Paragraphs lose the file's line breaks, since a page or a terminal has its own width."""
    text = "# Does it\n# work?\n#\n# It should\n# say so.\n\n# not this\n" + MINIMAL

    assert load(tmp_path, text).question == "Does it work?\n\nIt should say so."


def test_values_are_kept_as_written(tmp_path: Path) -> None:
    """A whole number stays one in a setting; a threshold has a unit, or a pattern."""
    written = ("one: p99_wait_s > 0.5", "o*: failed_jobs > 0")
    text = MINIMAL.replace("slots = 1", "slots = 1\nsettings = { redis_delay_ms = 0 }")

    experiment = load(tmp_path, f"fail_on = {json.dumps(written)}\n{text}")

    assert repr(experiment.contenders[0].settings) == "{'redis_delay_ms': 0}"
    assert experiment.fail_on == written


def test_arrivals_mean_a_rate(tmp_path: Path) -> None:
    """Without a measure, arrivals make a rate trial of the profile's length."""
    text = MINIMAL + 'arrivals = { how = "poisson", rate_per_s = 50 }\n'

    (workload,) = load(tmp_path, text).workloads

    assert workload.measure == "rate"
    assert workload.arrivals == {"how": "poisson", "count": 25, "rate_per_s": 50.0}


@pytest.mark.parametrize("measure", ["sustain", "curve"])
def test_a_search_needs_an_slo_and_no_rate(tmp_path: Path, measure: str) -> None:
    """How jobs come may be said; at which rate is what is looked for."""
    text = MINIMAL + f'measure = "{measure}"\n[slo]\np95_wait_s = 0.5\n'

    experiment = load(tmp_path, text)

    assert experiment.workloads[0].arrivals == {"how": "poisson"}
    assert experiment.slo == {"p95_wait_s": 0.5}


RATE = 'arrivals = { how = "poisson", rate_per_s = 5 }\n'
RATED = MIXED.replace("[[workload]]\n", f"[[workload]]\n{RATE}")


def test_an_slo_may_be_that_of_a_workload_or_of_a_part(tmp_path: Path) -> None:
    """Beside the file's: which one bounds a job is for the report to find."""
    text = RATED + "slo = { p99_response_s = 9.0 }\n[slo]\np95_wait_s = 0.5\n"

    experiment = load(tmp_path, text)

    (workload,) = experiment.workloads
    assert (experiment.slo, workload.slo) == ({"p95_wait_s": 0.5}, None)
    assert [part.slo for part in workload.mix] == [None, {"p99_response_s": 9.0}]
    own = load(tmp_path, MINIMAL + RATE + "countdown_s = 1.0\nslo = { p95_wait_s = 2.0 }\n")
    assert (own.workloads[0].slo, own.workloads[0].mix[0].slo) == ({"p95_wait_s": 2.0}, None)


SLO = "slo = { p95_wait_s = 1.0 }\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (MINIMAL + "[slo]\np95_wait_s = 1.0\n", "17: slo is"),
        (MINIMAL + SLO, "17: workload.slo is"),
        (MIXED + SLO, "26: workload.mix.slo is"),
        (SLO + MINIMAL + RATE + SLO, "1: slo is"),
        (
            RATED.replace("share = 0.9\n", f"share = 0.9\n{SLO}").replace(RATE, RATE + SLO) + SLO,
            "16: workload.slo is",
        ),
    ],
    ids=["file", "backlog", "part of a backlog", "each has its own", "each part has its own"],
)
def test_an_slo_that_bounds_no_job_is_a_fault(tmp_path: Path, text: str, place: str) -> None:
    """Otherwise it would be ignored, and its author would take it for met."""
    (fault,) = faults_of(tmp_path, text)

    assert f"some.toml:{place}" in fault
    assert "invalid: it bounds no job" in fault


def test_a_twin_that_no_profile_measures_is_a_fault(tmp_path: Path) -> None:
    """A swept contender is measured where its base is."""
    other = '[[contender]]\nname = "two"\npool = "threads"\nslots = 2\n'
    text = f'twin = "two"\n{MINIMAL}{other}'

    (fault,) = faults_of(tmp_path, text)

    assert "some.toml:1: " in fault
    assert "no profile measures it. Add it to a profile, or leave twin out." in fault
    swept = text.replace('"two"', '"two.slots-2"', 1).replace('["one"]', '["one", "two"]')
    sweep = '[sweep]\nof = "two"\nsetting = "slots"\nvalues = [2, 4]\n'
    assert load(tmp_path, swept + sweep).controlled == "two.slots-2"


def test_a_sweep_that_no_profile_measures_is_a_fault(tmp_path: Path) -> None:
    """Neither the swept contender nor one of its points is in a profile."""
    other = '[[contender]]\nname = "two"\npool = "threads"\nslots = 2\n'
    sweep = '[sweep]\nof = "two"\nsetting = "slots"\nvalues = [1, 2]\n'

    (fault,) = faults_of(tmp_path, f"{MINIMAL}{other}{sweep}")

    assert "sweep.of" in fault
    assert "no profile measures it" in fault
    load(tmp_path, f"{MINIMAL}{other}{sweep}".replace('["one"]', '["one", "two.slots-2"]'))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("one/mix/short: p95_wait_s > 0.5", ""),
        ("*/*/*: p99_execution_s > 0.5", ""),
        ("one/mix/shor: p95_wait_s > 0.5", "Did you mean one/mix/short?"),
        ("one/mix/short: cpu_s_per_1000_jobs > 5", "is not measured by part"),
    ],
)
def test_a_threshold_may_name_a_part(tmp_path: Path, condition: str, words: str) -> None:
    """A part has waits and executions of its own, and no memory."""
    text = f'fail_on = ["{condition}"]\n{RATED}'

    if words:
        assert words in faults_of(tmp_path, text)[0]
    else:
        assert load(tmp_path, text).fail_on == (condition,)


def test_a_mix_has_a_sort_for_each_part(tmp_path: Path) -> None:
    """Each with its kind, complete parameters and share; without a name it is called a mix."""
    (workload,) = load(tmp_path, MIXED).workloads

    assert (workload.name, workload.kind) == (MIX, MIX)
    assert [part.name for part in workload.mix] == ["short", "long"]
    assert [sort.kind for sort in workload.sorts] == ["io.sleep", "cpu.primes"]
    assert workload.shares == (0.9, 0.1)
    assert "work_ms" in workload.mix[1].parameters


def test_jobs_of_one_kind_with_options_are_a_mix_of_one_part(tmp_path: Path) -> None:
    """What Celery does with the jobs is an option of their part, whose defaults are filled in."""
    text = MINIMAL + 'queue = "io"\npriority = 0\nexpires_s = 3\nretry = { share = 0.1 }\n'
    text = text.replace("slots = 1", 'slots = 1\nqueues = ["io"]')

    (workload,) = load(tmp_path, text).workloads

    options = JobOptions(queue="io", priority=0, expires_s=3.0, retry=Retry(share=0.1))
    part = Part(
        name="io.sleep",
        kind="io.sleep",
        parameters={"delay_ms": 10.0},
        share=1.0,
        options=options,
    )
    assert (workload.name, workload.kind, workload.parameters) == ("io.sleep", MIX, {})
    assert workload.mix == (part,)


def test_the_parts_of_a_mix_have_options_and_an_order(tmp_path: Path) -> None:
    """Options of one part don't concern the others; the order is random if none is given."""
    text = MIXED + 'rate_limit = "6/m"\ncountdown_s = 2\n'
    in_sequence = text.replace("[[workload]]", '[[workload]]\nmix_order = "sequence"')

    mixes = [load(tmp_path, one).workloads[0] for one in (text, in_sequence)]

    assert [mix.is_in_sequence for mix in mixes] == [False, True]
    assert [part.options for part in mixes[0].mix] == [
        JobOptions(),
        JobOptions(rate_limit="6/m", countdown_s=2.0),
    ]


def with_shape(shape: str) -> str:
    """Return a mix of short jobs and of jobs of this shape, three in ten."""
    part = f'name = "order"\nshare = 0.3\npriority = 3\n{shape}\n'
    start, _, _ = MIXED.replace("0.9", "0.7").rpartition('name = "long"')
    return start + part


STEPS = '[{ kind = "io.sleep" }, { kind = "cpu.primes", parameters = { work_ms = 3 } }]'


def test_each_execution_of_a_chord_is_a_part(tmp_path: Path) -> None:
    """With a share of all executions, of which a chord has as many as calls and its body."""
    text = with_shape(f'chord = {STEPS}\nbody = {{ kind = "io.redis" }}')

    short, *steps = load(tmp_path, text).workloads[0].mix

    assert short.canvas is None
    assert [(part.name, part.kind) for part in steps] == [
        ("order.1-io.sleep", "io.sleep"),
        ("order.2-cpu.primes", "cpu.primes"),
        ("order.3-io.redis", "io.redis"),
    ]
    assert {part.canvas for part in steps} == {Canvas(name="order", shape="chord")}
    assert {part.options for part in steps} == {JobOptions(priority=3)}
    assert steps[1].parameters == {"work_ms": 3.0}
    assert [short.share, *(part.share for part in steps)] == pytest.approx(
        [0.7 / 1.6, *[0.3 / 1.6] * 3]
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (MINIMAL + "fail_share = 0.6\nretry = { share = 0.5 }\n", "must not exceed 1 together"),
        (MINIMAL + "retry = { count = 1, share = 0.5 }\n", "unknown key"),
        (MINIMAL + "priority = 10\n", "must be at most 9"),
        (MINIMAL + 'rate_limit = "6 a minute"\n', 'Write "6/m"'),
        (MINIMAL + 'rate_limit = "0/s"\n', "whole number of starts"),
        (MINIMAL + 'mix_order = "sequence"\n', "only a mix has an order"),
        (
            MIXED.replace("[[workload]]", "[[workload]]\npriority = 0"),
            "Write priority in each part",
        ),
        (with_shape(f"chain = {STEPS}\nfail_share = 0.1"), "a chain can't have fail_share"),
        (with_shape(f'chain = {STEPS}\nkind = "io.sleep"'), "a chain, a group or a chord"),
        (with_shape(f"chord = {STEPS}"), "a chord has a body"),
        (with_shape('chain = [{ kind = "io.sleep" }]'), "at least 2 items"),
        (MINIMAL + "result_bytes = 9\n", "no contender stores results"),
        (MINIMAL + 'queue = "io"\n', "no contender consumes this queue"),
        (MIXED.replace('"cpu.primes"', '"io.sleep"') + 'rate_limit = "6/m"\n', "limits all jobs"),
    ],
)
def test_impossible_options_of_jobs_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    """Each of them is one fault, which says what is wrong and what to write."""
    (found,) = faults_of(tmp_path, text)

    assert fault in found


@pytest.mark.parametrize(
    ("written", "memory_bytes"),
    [('"512M"', 512 << 20), ('"2G"', 2 << 30), ('"65536K"', 64 << 20), ("100000000", 100_000_000)],
)
def test_a_contender_has_limits(tmp_path: Path, written: str, memory_bytes: int) -> None:
    """Memory in bytes, or with the units that Docker accepts; without the keys there are none."""
    limits = f"slots = 1\ncpus = 1\nmemory = {written}"

    (limited,) = load(tmp_path, MINIMAL.replace("slots = 1", limits)).contenders
    (free,) = load(tmp_path, MINIMAL).contenders

    assert (limited.cpus, limited.memory_bytes) == (1.0, memory_bytes)
    assert (free.cpus, free.memory_bytes) == (None, None)


def test_the_groups_of_a_contender_share_its_limits(tmp_path: Path) -> None:
    """They are the contender's; `auto` in a group looks at them."""
    group = "cpus = 1\n[[contender.group]]\nname = 'web'\npool = 'prefork'\nslots = 'auto'"

    (found,) = load(tmp_path, MINIMAL.replace('pool = "solo"\nslots = 1', group)).contenders

    assert (found.cpus, found.slots) == (1.0, 1)
    assert [(one.is_unset, one.arguments) for one in found.groups] == [(True, ("-c", "auto"))]


@pytest.mark.parametrize(
    ("limit", "fault"),
    [
        ("cpus = 0", "contender.cpus = 0 is invalid: must be at least 0.01"),
        ('cpus = "half"', 'contender.cpus = "half" is invalid: must be a number'),
        ('memory = "512 MB"', 'contender.memory = "512 MB" is invalid: must be 16M to 16384G'),
        ("memory = 512", 'must be 16M to 16384G. Write bytes, or a text such as "512M"'),
        ("memory = true", "contender.memory = true is invalid"),
    ],
)
def test_impossible_limits_are_refused(tmp_path: Path, limit: str, fault: str) -> None:
    """With what is valid, before anything starts."""
    (found,) = faults_of(tmp_path, MINIMAL.replace("slots = 1", f"slots = 1\n{limit}"))

    assert fault in found


def test_slots_may_be_left_to_celery(tmp_path: Path) -> None:
    """`-c` left out starts as many as the host has cores; `-c auto` looks at the quota too."""
    text = MINIMAL.replace('"solo"', '"prefork"')

    (unset,) = load(tmp_path, text.replace("slots = 1", 'slots = "unset"\ncpus = 0.5')).contenders
    (auto,) = load(tmp_path, text.replace("slots = 1", 'slots = "auto"\ncpus = 0.5')).contenders

    assert (unset.slots, unset.is_unset, unset.arguments) == (os.cpu_count(), True, ())
    assert (auto.slots, auto.is_unset, auto.arguments) == (1, True, ("-c", "auto"))


def test_an_unknown_profile_is_named(tmp_path: Path) -> None:
    """A profile that the file doesn't have is a fault of the command line."""
    assert (
        "profile = bench is invalid: unknown profile."
        in faults_of(tmp_path, MINIMAL, profile="bench")[0]
    )


def test_broken_toml_is_one_line(tmp_path: Path) -> None:
    """The parser's own word is kept, with its line."""
    (fault,) = faults_of(tmp_path, MINIMAL + "\n[[contender\n")

    assert "invalid TOML: " in fault
    assert "line 18" in fault


def unread(path: Path) -> str:
    """Return what is said of an experiment's file that can't be read."""
    with pytest.raises(UsageError) as caught:
        load_experiment(path, profile="demo", cores=2)
    return str(caught.value)


def test_a_file_that_is_not_utf_8_says_so(tmp_path: Path) -> None:
    """The file is there: it doesn't recommend its own name."""
    file = tmp_path / "some.toml"
    file.write_bytes(MINIMAL.encode() + b"# \xff")

    assert unread(file) == f"{file}: can't be read (not UTF-8). Save it as UTF-8."


def test_a_file_that_may_not_be_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched, since nothing is forbidden to root."""
    (tmp_path / "some.toml").write_text(MINIMAL, encoding="utf-8")
    refuse = Mock(side_effect=PermissionError(errno.EACCES, "Permission denied"))
    monkeypatch.setattr(Path, "read_text", refuse)

    said = unread(tmp_path / "some.toml")

    assert said.startswith(f"{tmp_path}/some.toml: can't be read (Permission denied). Give")
    assert "Did you mean" not in said


def test_a_folder_names_the_experiments_in_it(tmp_path: Path) -> None:
    """And not itself, though its name ends as theirs do."""
    folder = tmp_path / "more.toml"
    folder.mkdir()
    assert unread(folder).endswith("(Is a directory). Name a TOML file.")

    for name in ("b.toml", "a.toml"):
        (folder / name).write_text(MINIMAL, encoding="utf-8")
    assert unread(folder).endswith(f"Use one of {folder}/a.toml, {folder}/b.toml.")


def test_only_files_that_are_there_are_recommended(tmp_path: Path) -> None:
    """A link that leads nowhere recommends neither itself nor another folder or such link."""
    (tmp_path / "some.toml").symlink_to(tmp_path / "gone")
    (tmp_path / "some1.toml").symlink_to(tmp_path / "gone")
    (tmp_path / "some2.toml").mkdir()
    assert unread(tmp_path / "some.toml").endswith(". Name a TOML file.")

    (tmp_path / "some-more.toml").write_text(MINIMAL, encoding="utf-8")
    assert unread(tmp_path / "some.toml").endswith(f"Did you mean {tmp_path}/some-more.toml?")


@pytest.mark.parametrize("name", ["x" * 5_000, "experiments/pools.toml/x.toml"])
def test_a_path_that_can_not_be_is_no_traceback(name: str) -> None:
    """Too long for the system, or below a file."""
    assert unread(Path(name)).startswith(f"{name}: can't be read (")


def test_a_missing_file_names_what_is_there() -> None:
    """A wrong path answers with the experiments there are."""
    assert "Did you mean experiments/pools.toml" in unread(Path("experiments/pool.toml"))


def test_lanes_of_a_profile_name_workloads_with_jobs(tmp_path: Path) -> None:
    """They are drawn after the last repetition."""
    text = MINIMAL.replace('contenders = ["one"]\n', 'contenders = ["one"]\nlanes = ["io.sleep"]\n')
    assert [one.name for one in load(tmp_path, text).lanes] == ["io.sleep"]

    idle = f'{text}\n[[workload]]\nmeasure = "idle"\n'.replace('["io.sleep"]', '["idle", "x"]')
    found = faults_of(tmp_path, idle)
    assert len(found) == 2
    assert all("no workload with jobs has this name" in fault for fault in found)
    assert all("some.toml:8" in fault for fault in found)
