"""Own variances with the block removed: by hand, against the paired t test, and with gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from report.statistics.block_model import fit_blocks

#: Logarithms of three contenders in three blocks; the last block is about one lower for all.
LOGS = {"a": (1.0, 1.3, 0.1), "b": (0.0, 0.0, -1.0), "c": (0.5, 0.2, -0.6)}


def figures(logs: Mapping[str, Sequence[float]]) -> dict[str, dict[int, float]]:
    """Contender → block → figure."""
    return {
        name: {block: math.exp(log) for block, log in enumerate(found)}
        for name, found in logs.items()
    }


def test_figures_are_those_computed_by_hand() -> None:
    """Residuals are y - contender's mean - block's mean + mean; f = (n - 1)(k - 1) / k."""
    found = fit_blocks(figures(LOGS))

    means = {name: sum(logs) / 3 for name, logs in LOGS.items()}
    blocks = [sum(logs[block] for logs in LOGS.values()) / 3 for block in range(3)]
    mean = sum(means.values()) / 3
    for name, logs in LOGS.items():
        residuals = [logs[block] - means[name] - blocks[block] + mean for block in range(3)]
        freedom = 2 * 2 / 3
        assert found[name].log_mean == pytest.approx(means[name])
        assert found[name].freedom == pytest.approx(freedom)
        variance = sum(one**2 for one in residuals) / freedom
        assert found[name].squared_error == pytest.approx(variance / 3)


def test_two_contenders_are_a_paired_test() -> None:
    """The sum of both errors² is the variance of the differences ÷ n, with n - 1 degrees."""
    rng = np.random.default_rng(1)
    logs = {name: tuple(rng.normal(0, 0.1, 6)) for name in "ab"}

    found = fit_blocks(figures(logs))

    differences = np.array(logs["a"]) - np.array(logs["b"])
    errors = found["a"].squared_error + found["b"].squared_error
    assert errors == pytest.approx(differences.var(ddof=1) / 6)
    assert found["a"].freedom + found["b"].freedom == pytest.approx(5)


def test_a_common_block_effect_changes_no_difference_and_no_error() -> None:
    """What all contenders of a block share, such as a busy machine, is removed."""
    found, slow = (
        fit_blocks(figures(LOGS)),
        fit_blocks(figures({name: (logs[0] - 2, *logs[1:]) for name, logs in LOGS.items()})),
    )

    for name in LOGS:
        difference = found[name].log_mean - found["b"].log_mean
        assert slow[name].log_mean - slow["b"].log_mean == pytest.approx(difference)
        assert slow[name].squared_error == pytest.approx(found[name].squared_error)


def test_a_noisy_contender_makes_no_other_one_much_noisier() -> None:
    """Nothing is pooled: the error of the noisy one is its own."""
    rng = np.random.default_rng(2)
    logs = {f"quiet-{n}": tuple(rng.normal(0, 0.01, 8)) for n in range(9)}

    found = fit_blocks(figures({**logs, "noisy": tuple(rng.normal(0, 0.5, 8))}))

    assert found["noisy"].squared_error > 30 * found["quiet-0"].squared_error


def test_a_missing_figure_moves_nothing_where_the_rest_fits_exactly() -> None:
    """Contender + block without noise: the gap is filled by the fit."""
    exact = {
        name: {block: math.exp(effect + block / 10) for block in range(5)}
        for name, effect in (("a", 1.0), ("b", 0.5), ("c", 0.0))
    }
    del exact["a"][4], exact["b"][0]

    found = fit_blocks(exact)

    assert found["a"].log_mean - found["c"].log_mean == pytest.approx(1.0)
    assert found["b"].log_mean - found["c"].log_mean == pytest.approx(0.5)
    assert (found["a"].blocks, found["c"].blocks) == (4, 5)
    assert found["a"].squared_error == pytest.approx(0, abs=1e-20)


def test_what_can_be_compared_with_nothing_is_left_out() -> None:
    """A block that one contender has alone; a contender of one block; figures that are not."""
    whole = figures({"a": (1.0, 1.1, 1.2), "b": (0.0, 0.2, 0.1)})
    whole["a"][9] = 5.0
    whole["once"] = {0: 2.0}
    whole["zero"] = {0: 0.0, 1: 0.0, 2: 0.0}

    found = fit_blocks(whole)

    assert set(found) == {"a", "b"}
    assert found["a"].blocks == 3
    assert fit_blocks({"a": whole["a"]}) == {}


def test_only_contenders_that_blocks_connect_are_fitted() -> None:
    """The largest group: between two that share no block, the machine may have changed."""
    groups = {"abc": range(5), "de": range(5, 10)}
    apart = {
        name: {block: 1.0 + ord(name) + block for block in blocks}
        for names, blocks in groups.items()
        for name in names
    }

    assert set(fit_blocks(apart)) == {"a", "b", "c"}


def test_equals_have_equal_means_in_any_order() -> None:
    """The rest of a sum decides nothing: the same figures in other blocks are the same mean."""
    logs = [0.1 * math.sqrt(block) for block in range(7)]
    orders = {f"c{turn}": [*logs[turn:], *logs[:turn]] for turn in range(7)}

    found = fit_blocks(figures(orders))

    assert len({one.log_mean for one in found.values()}) == 1
