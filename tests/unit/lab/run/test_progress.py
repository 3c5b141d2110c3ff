"""The progress display of runs with a set and with an open number of repetitions."""

from __future__ import annotations

import io

from rich.console import Console

from lab.run.progress import RunProgress


def shown(*, blocks: int | None, is_terminal: bool) -> str:
    """Return what a run of two repetitions prints."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120, color_system=None)
    progress = RunProgress(console, title="Which?", trials=4, blocks=blocks, at_most_s=900)
    with progress:
        for block in (1, 2):
            progress.block(block)
            progress.now("solo · io.sleep")
            progress.advance()
        progress.print_line("cpu.primes (prefork-4 against solo) ± 4.1 % at the widest")
    return out.getvalue()


def test_a_counted_run_shows_the_number_of_repetitions() -> None:
    """And the number of all trials."""
    text = shown(blocks=5, is_terminal=False)

    assert "Which?  20 trials" in text
    assert "repetition 2 of 5: starting workers" in text


def test_an_open_run_shows_how_long_it_may_take() -> None:
    """The number of repetitions is open."""
    text = shown(blocks=None, is_terminal=False)

    assert "Which?  4 trials in each repetition, 15 min at most" in text
    assert "repetition 2: starting workers" in text
    assert "± 4.1 % at the widest" in text


def test_the_bar_of_an_open_run_counts_without_an_end() -> None:
    """It shows the number of trials so far and the longest time."""
    text = shown(blocks=None, is_terminal=True)

    assert "2/? trials" in text
    assert "of 15 min at most" in text


def test_the_bar_of_a_counted_run_has_an_end() -> None:
    """It shows two of twenty trials and the time left."""
    text = shown(blocks=5, is_terminal=True)

    assert "2/20 trials" in text
    assert text.count(" left ") >= 1
