"""What a setting changes: which pairs are compared, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from report.result import Effect
from report.statistics.significance import Finding
from report.summary import summarize
from tests.summaries import known
from tests.synthetic import Contender, Workload, edit_manifest, flat_manifest, make_run

Settings = Mapping[str, Any]


def effects_of(
    path: Path,
    settings: Mapping[str, Settings],
    *,
    per_s: Mapping[str, float] | None = None,
    blocks: int = 5,
    **changed: Mapping[str, Any],
) -> tuple[Effect, ...]:
    """Return the effects in a run of contenders with these settings, by name."""
    rates = dict.fromkeys(settings, 400.0) | dict(per_s or {})
    folder = make_run(
        path,
        contenders=[Contender(name=name, pool="threads", slots=4) for name in settings],
        workloads=[Workload(name="io.sleep", kind="io.sleep", per_s=rates)],
        blocks=blocks,
    )
    contenders = [
        {**one, "settings": dict(settings[one["name"]]), **changed.get(one["name"], {})}
        for one in flat_manifest(folder)["contenders"]
    ]
    edit_manifest(folder, contenders=contenders)
    return summarize(folder).effects


def test_pairs_that_differ_in_one_setting_are_compared(tmp_path: Path) -> None:
    """Each with the one that is the same without; what differs in two says nothing of either."""
    found = effects_of(
        tmp_path / "run",
        {
            "plain": {},
            "events": {"events": True},
            "flower": {"events": True, "flower": True},
        },
    )

    assert {(one.setting, one.contender, one.against) for one in found} == {
        ("events", "events", "plain"),
        ("flower", "flower", "events"),
    }


def test_the_effect_is_the_ratio_of_the_paired_blocks(tmp_path: Path) -> None:
    """With its interval, and as a sentence."""
    (found,) = effects_of(
        tmp_path / "run", {"plain": {}, "events": {"events": True}}, per_s={"events": 200.0}
    )

    assert found.ratio.low < found.ratio.value < found.ratio.high
    assert found.ratio.value == pytest.approx(0.5, rel=0.05)
    assert found.decision.finding is Finding.LESS
    assert known(found.cpu_ratio).value == pytest.approx(1, rel=0.01)
    assert found.text.endswith(" the CPU a job.")
    assert found.text.startswith("With Celery's events: 0.")


def test_equals_show_no_difference(tmp_path: Path) -> None:
    """In these words, with what decided it."""
    (found,) = effects_of(tmp_path / "run", {"plain": {}, "late": {"acks_late": True}})

    assert found.decision.finding is Finding.NO_DIFFERENCE
    assert found.text.startswith("With late acknowledgement: no difference, ")


def test_a_number_is_told_with_its_values(tmp_path: Path) -> None:
    """The larger against the smaller."""
    found = effects_of(
        tmp_path / "run",
        {"few": {"prefetch_multiplier": 1}, "many": {"prefetch_multiplier": 10}},
    )

    assert [(one.contender, one.against) for one in found] == [("many", "few")]
    assert "the prefetch multiplier (1 → 10)" in found[0].text


def test_few_blocks_make_no_claim(tmp_path: Path) -> None:
    """The range is told, and that it is none."""
    (found,) = effects_of(tmp_path / "run", {"a": {}, "b": {"events": True}}, blocks=3)

    assert found.decision.finding is Finding.TOO_FEW
    assert found.text.endswith("so far, too few repetitions for a claim.")


@pytest.mark.parametrize(
    "changed",
    [
        {"slots": 8},
        {"pool": "gevent"},
        {"interpreter": "other"},
        {"sweep": {"of": "a", "setting": "events", "value": True}},
    ],
)
def test_unlike_contenders_are_not_compared(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Another pool, other slots or another Python would be what differs; a sweep tells itself."""
    found = effects_of(tmp_path / "run", {"a": {}, "b": {"events": True}}, b=changed)

    assert found == ()


def test_a_run_without_settings_has_no_effects(tmp_path: Path) -> None:
    """Old folders know of none."""
    folder = make_run(tmp_path / "run")

    assert summarize(folder).effects == ()
