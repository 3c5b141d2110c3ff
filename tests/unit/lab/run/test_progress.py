"""The progress of a run, also of one whose end is unknown."""

from __future__ import annotations

import io

from rich.console import Console

from lab.run.progress import RunProgress


def shown(*, blocks: int | None, is_terminal: bool) -> str:
    """Return what a run of two repetitions leaves on the screen."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120, color_system=None)
    progress = RunProgress(console, title="Which?", trials=4, blocks=blocks, at_most_s=900)
    with progress:
        for block in (1, 2):
            progress.block(block)
            progress.now("solo · io.sleep")
            progress.advance()
        progress.say("cpu.primes (prefork-4 against solo) ± 4.1 % at the widest")
    return out.getvalue()


def test_a_counted_run_shows_the_number_of_repetitions() -> None:
    """And of how many trials in all."""
    text = shown(blocks=5, is_terminal=False)

    assert "Which?  20 trials" in text
    assert "repetition 2 of 5: starting workers" in text


def test_an_open_run_shows_how_long_it_may_take() -> None:
    """The number of repetitions is unknown."""
    text = shown(blocks=None, is_terminal=False)

    assert "Which?  4 trials in each repetition, 15 min at most" in text
    assert "repetition 2: starting workers" in text
    assert "± 4.1 % at the widest" in text


def test_the_bar_of_an_open_run_counts_without_an_end() -> None:
    """Trials so far, and the time that it may take at most."""
    text = shown(blocks=None, is_terminal=True)

    assert "2/? trials" in text
    assert "of 15 min at most" in text


def test_the_bar_of_a_counted_run_has_one() -> None:
    """Two of twenty, and the time that is left."""
    text = shown(blocks=5, is_terminal=True)

    assert "2/20 trials" in text
    assert text.count(" left ") >= 1
