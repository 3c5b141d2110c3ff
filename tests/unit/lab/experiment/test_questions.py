"""The questions in experiments/questions: short enough, and all in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.experiment.control import with_control
from lab.experiment_file.loader import load_profiles
from lab.run.duration import expected_s

FILES = sorted(Path("experiments/questions").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_question_is_answered_within_two_minutes(file: Path) -> None:
    """It opens with the question; its short form, for `make e2e`, takes at most 20 s."""
    profiles = load_profiles(file, cores=2)
    took_s = {name: expected_s(with_control(one), cores=2) for name, one in profiles.items()}

    assert profiles["demo"].question.startswith(f"{profiles['demo'].title}\n\n")
    assert took_s["demo"] < 120
    assert took_s["short"] <= 20


def test_the_short_forms_take_at_most_two_minutes_together() -> None:
    """As long as people wait for tests."""
    short = [load_profiles(file, cores=2)["short"] for file in FILES]

    assert sum(expected_s(one, cores=2) for one in short) <= 120


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_question_has_a_row_in_the_docs(file: Path) -> None:
    """With its title and the answer that was measured."""
    title = load_profiles(file, cores=2)["demo"].title
    page = Path("docs/experiments.md").read_text(encoding="utf-8")

    assert f"[`{file.name}`](../experiments/questions/{file.name}) | {title} | " in page
