"""The latency of a part of a mix, as text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import polars as pl

from report.verdicts.latency import _part_figures


def row(**spans_s: list[float]) -> Any:
    """Return what the text reads of a row with one valid trial."""
    spans = {
        name: pl.Series([round(one * 1e9) for one in values], dtype=pl.Int64)
        for name, values in spans_s.items()
    }
    return SimpleNamespace(valid=[SimpleNamespace(part_spans={"mail": spans})])


def test_a_response_is_shown_with_the_wait() -> None:
    """The p95 of both."""
    found = row(response=[0.3] * 20, wait=[0.1] * 20)

    assert _part_figures(found, part="mail", span="response") == " (300 ms, p95 wait 100 ms)"
    assert _part_figures(found, part="mail", span="wait") == " (100 ms)"


def test_jobs_that_all_fail_have_no_response() -> None:
    """They have waited, which alone is no result."""
    assert _part_figures(row(response=[], wait=[0.1] * 20), part="mail", span="response") == ""
