"""Loads and mixes in an experiment's file: what it may say, and every fault at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.experiment.model import MIX
from lab.experiment_file.loader import load_experiment
from tests.unit.lab.experiment_file.test_loader import MINIMAL, faults_of, load

JOB = 'kind = "io.sleep"\nparameters = { delay_ms = 10 }\n'

MIXED = MINIMAL.replace(JOB, 'name = "both"\n') + (
    '\n[[workload.mix]]\nname = "short"\nkind = "io.sleep"\nparameters = { delay_ms = 10 }\n'
    'share = 0.9\n\n[[workload.mix]]\nname = "long"\nkind = "cpu.primes"\nshare = 0.1\n'
)


def with_lines(lines: str, *, top: str = "") -> str:
    """Return the minimal file with lines added to its workload, and a table at its top."""
    return MINIMAL.replace("\n[profile.demo]", f"{top}\n[profile.demo]") + lines


def test_arrivals_mean_a_rate(tmp_path: Path) -> None:
    """Without a measure, arrivals make a rate trial of the profile's length."""
    text = with_lines('arrivals = { how = "poisson", rate_per_s = 50 }\n')

    (workload,) = load(tmp_path, text).workloads

    assert workload.measure == "rate"
    assert workload.arrivals == {"how": "poisson", "count": 25, "rate_per_s": 50.0}


def test_nothing_means_capacity(tmp_path: Path) -> None:
    """As it always was: the whole backlog at once."""
    (workload,) = load(tmp_path, MINIMAL).workloads

    assert (workload.measure, workload.arrivals, workload.mix) == ("capacity", None, ())


@pytest.mark.parametrize("measure", ["sustain", "curve"])
def test_a_search_needs_an_slo_and_no_rate(tmp_path: Path, measure: str) -> None:
    """How jobs come may be said; at which rate is what is looked for."""
    text = with_lines(f'measure = "{measure}"\n', top="\n[slo]\np95_wait_s = 0.5\n")

    experiment = load(tmp_path, text)

    assert experiment.workloads[0].arrivals == {"how": "poisson"}
    assert experiment.slo == {"p95_wait_s": 0.5}


def test_a_mix_has_a_sort_for_each_part(tmp_path: Path) -> None:
    """Each with its kind, complete parameters and share; together they are the workload."""
    (workload,) = load(tmp_path, MIXED).workloads

    assert workload.kind == MIX
    assert [part.name for part in workload.mix] == ["short", "long"]
    assert [sort.kind for sort in workload.sorts] == ["io.sleep", "cpu.primes"]
    assert workload.shares == (0.9, 0.1)
    assert "work_ms" in workload.mix[1].parameters


@pytest.mark.parametrize(
    ("lines", "top", "line", "words"),
    [
        ('measure = "sustian"\n', "", 17, "unknown measure: sustian; did you mean sustain?"),
        ('measure = "rate"\n', "", 17, "a rate without arrivals"),
        ('measure = "curve"\n', "", 17, "curve without an SLO"),
        ('arrivals = { how = "poison", rate_per_s = 5 }\n', "", 17, "did you mean poisson?"),
        ('arrivals = { how = "poisson" }\n', "", 17, "arrivals.rate_per_s: missing"),
        ('arrivals = { how = "burst", count = 5 }\n', "", 17, "a burst is no rate"),
        (
            'arrivals = { how = "ramp", rate_per_s = 5 }\n',
            "",
            17,
            "arrivals.to_rate_per_s: missing",
        ),
        (
            'measure = "capacity"\narrivals = { how = "poisson", rate_per_s = 5 }\n',
            "",
            18,
            "arrivals of a capacity workload",
        ),
        (
            'measure = "sustain"\narrivals = { how = "poisson", rate_per_s = 5 }\n',
            "\n[slo]\np95_wait_s = 1.0\n",
            21,
            "rate_per_s; leave it out",
        ),
        (
            'measure = "sustain"\narrivals = { how = "ramp" }\n',
            "\n[slo]\np95_wait_s = 1.0\n",
            21,
            "arrivals of a search: ramp",
        ),
        ("", "\n[slo]\np95_wiat_s = 1.0\n", 5, "did you mean p95_wait_s?"),
        ("", "\n[slo]\np95_wait_s = 0.0\n", 5, "it takes seconds above 0"),
    ],
)
def test_a_fault_of_a_load_names_its_line(
    tmp_path: Path, lines: str, top: str, line: int, words: str
) -> None:
    """Where it stands, what was seen and what would be right."""
    faults = faults_of(tmp_path, with_lines(lines, top=top))

    assert any(f"some.toml:{line}: " in fault and words in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("share = 0.1", "share = 0.2", 21, "shares that don't make 1"),
        ("share = 0.1", "share = -0.1", 26, "share out of bounds"),
        ("share = 0.1", "shares = 0.1", 26, "did you mean share?"),
        ('"cpu.primes"', '"cpu.prime"', 25, "did you mean cpu.primes?"),
        ('name = "long"', 'name = "short"', 24, "part named twice: short"),
        ("delay_ms = 10", "delay = 10", 20, "did you mean delay_ms?"),
        ('name = "both"', 'kind = "io.sleep"', 15, "kind beside a mix"),
        ('name = "both"', "", 14, "mix without a name"),
    ],
)
def test_a_fault_of_a_mix_names_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """In a part's own table, though all parts have the same header."""
    faults = faults_of(tmp_path, MIXED.replace(old, new, 1))

    assert any(f"some.toml:{line}: " in fault and words in fault for fault in faults), faults


def test_all_faults_of_a_mix_are_said_at_once(tmp_path: Path) -> None:
    """Somebody who made three mistakes reads of three mistakes."""
    text = MIXED.replace("io.sleep", "io.slep").replace("cpu.primes", "cpu.prims")
    text = text.replace('name = "both"', "")

    assert len(faults_of(tmp_path, text)) == 3


def test_a_workload_has_a_kind_or_a_mix(tmp_path: Path) -> None:
    """Neither is a missing key, said as one."""
    text = MINIMAL.replace('kind = "io.sleep"\n', "")

    assert any("missing key: workload.kind" in fault for fault in faults_of(tmp_path, text))


@pytest.mark.parametrize("name", ["load", "mix"])
def test_kept_experiments_of_loads_open_with_their_question(name: str) -> None:
    """They measure what their files say: searches and curves, and a mix."""
    experiment = load_experiment(Path(f"experiments/{name}.toml"), profile="demo", cores=2)

    measures = {workload.measure for workload in experiment.workloads}
    assert measures == ({"sustain", "curve"} if name == "load" else {"rate"})
    assert any(workload.mix for workload in experiment.workloads) == (name == "mix")
