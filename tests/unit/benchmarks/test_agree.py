"""benchmarks/agree.py shares no code with Poolbench and measures the same work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import agree
from benchmarks.agree import CASES, Figure
from worker.jobs import cpu

ROOMS = {path.parent.name for path in Path(agree.__file__).parents[1].glob("*/__init__.py")}


def figure(per_s: float, *, loop_s: float = 0.02, others: float = 0.0) -> Figure:
    """One measurement on a machine of this speed."""
    return Figure(per_s=per_s, loop_s=loop_s, others=others)


def test_it_imports_nothing_of_ours_but_the_broker() -> None:
    """What checks our figures shares no code with them."""
    text = Path(agree.__file__).read_text(encoding="utf-8")
    found = re.findall(r"^ *(?:from|import) (\w+)([\w.]*)", text, flags=re.MULTILINE)

    assert "lab" in ROOMS
    assert [room + rest for room, rest in found if room in ROOMS] == ["lab.system.redis_server"]


def test_its_computing_is_the_kinds() -> None:
    """As many primes, counted by a loop written again."""
    assert agree._count_primes(2) == cpu.primes(units=2)


@pytest.mark.parametrize(
    ("watch", "lab", "said", "code"),
    [
        (figure(100), figure(103), "all within 5%", 0),
        (figure(100), figure(110), "Poolbench reports 10.0% more", 1),
        (figure(100), figure(90), "Poolbench reports 10.0% less", 1),
        (figure(100), figure(50, loop_s=0.04), "all within 5%", 0),
        (figure(100), figure(100, others=1.2), "other processes used up to 1.2 cores", 0),
    ],
)
def test_it_says_whether_both_agree(
    watch: Figure, lab: Figure, said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine at half its speed is taken out where jobs compute."""
    case = next(case for case in CASES if case.computes)

    found = agree._report([case], by_watch={case.name: [watch]}, by_lab={case.name: [lab]})

    assert found == code
    assert said in capsys.readouterr().out
