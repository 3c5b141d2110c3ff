"""What a person reads: figures in their units, doubts said aloud, nothing wider than 80 columns."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console, RenderableType

from poolbench.summaries import Ledger, Percentiles, RunState
from producer.summary import RunSummary, TrialSummary
from producer.terminal import render_comparison, render_trial

TRIAL = TrialSummary(
    trial=0,
    contender="gevent",
    slots=100,
    kind="io.http",
    ledger=Ledger(sent=1_500, done=1_500),
    throughput_per_s=1_234.5,
    wait_s=Percentiles(p50=0.0021, p95=0.0934, p99=1.24),
    execution_s=Percentiles(p50=0.0521, p95=0.0530, p99=0.0603),
    lag_s=Percentiles(p50=0.00012, p95=0.0009, p99=0.0011),
    mark="",
    reasons=(),
)
OPEN = replace(TRIAL, ledger=Ledger(sent=10, done=7, failed=1, lost=2))
RUN = RunSummary(state=RunState.CLOSED, trials=(TRIAL,), raw={})


def read(what: RenderableType) -> str:
    """What stands on a terminal of 80 columns."""
    screen = io.StringIO()
    Console(file=screen, width=80).print(what, highlight=False)
    return screen.getvalue()


def test_a_trial_shows_its_account_and_its_figures() -> None:
    """Ledger, throughput and three spans with three percentiles each."""
    text = read(render_trial(TRIAL))

    assert "gevent, 100 slots · io.http" in text
    assert "1,500 sent = 1,500 done + 0 failed + 0 lost  closed" in text
    assert "throughput   1,234 jobs/s" in text
    for figure in ("2.10 ms", "93.4 ms", "1.24 s", "52.1 ms", "60.3 ms", "120 µs", "from due to"):
        assert figure in text


def test_a_backlog_says_what_its_wait_is() -> None:
    """Waiting in a queue that was filled at once is no latency."""
    assert "place in the queue" in read(render_trial(TRIAL, is_backlog=True))
    assert "place in the queue" in read(render_comparison([TRIAL], is_backlog=True))
    assert "place in the queue" not in read(render_trial(TRIAL))


def test_figures_that_are_not_there_are_dashes() -> None:
    """Nothing is made up."""
    bare = replace(TRIAL, throughput_per_s=None, wait_s=None, execution_s=None, lag_s=None)

    text = read(render_trial(bare))

    assert "throughput   – jobs/s" in text
    assert text.count("–") == 10


def test_an_open_account_and_its_reasons_are_said() -> None:
    """An invalid trial looks like one; a running trial calls no job lost."""
    trial = replace(OPEN, mark="!", reasons=("2 jobs never ended",))

    text = read(render_trial(trial))

    assert "10 sent = 7 done + 1 failed + 2 lost  does not close" in text
    assert "! 2 jobs never ended" in text
    assert "7/10" in read(render_comparison([trial]))
    running = read(render_trial(OPEN, is_over=False))
    assert "10 sent = 7 done + 1 failed + 2 in flight  still open" in running


def test_a_reason_is_said_once() -> None:
    """The collector tells each trial of what spoiled the run; whom it concerns is named."""
    overlap = "run r0 had jobs in flight at the same time"
    one = replace(TRIAL, mark="!", reasons=(overlap,))
    other = replace(one, contender="solo", reasons=(overlap, "1 of 5 jobs failed"))

    text = read(render_comparison([one, other]))

    assert text.count(overlap) == 1
    assert f"! {overlap}" in text
    assert "! solo: 1 of 5 jobs failed" in text


def test_unequal_slots_are_said_aloud() -> None:
    """A pool with more slots is no better pool."""
    solo = replace(TRIAL, contender="solo", slots=1)

    text = read(render_comparison([TRIAL, solo]))

    assert "The slots differ (gevent 100, solo 1)" in text
    assert "The slots differ" not in read(render_comparison([TRIAL, TRIAL]))


def test_a_comparison_fits_80_columns_unbroken() -> None:
    """Large counts and all three units, each pool on one line."""
    wide = replace(
        TRIAL,
        contender="prefork",
        slots=1_000,
        ledger=Ledger(sent=100_000, done=100_000),
        throughput_per_s=99_999.0,
        wait_s=Percentiles(p50=1_234.0, p95=1_234.0, p99=1_234.0),
    )

    lines = read(render_comparison([wide])).splitlines()

    row = next(line for line in lines if "prefork" in line)
    assert row.split() == [
        *("prefork", "1,000", "100,000", "99,999"),
        *("1,234", "s", "1,234", "s", "1,234", "s"),
        *("52.1", "ms", "53.0", "ms", "60.3", "ms"),
    ]
