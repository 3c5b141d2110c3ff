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


def test_a_counted_run_shows_the_number_of_repetitions_and_of_all_trials() -> None:
    """Its bar has an end: two of twenty trials and the time left."""
    text, bar = (shown(blocks=5, is_terminal=is_terminal) for is_terminal in (False, True))

    assert "Which?  20 trials" in text
    assert "repetition 2 of 5: starting workers" in text
    assert "2/20 trials" in bar
    assert " left " in bar


def test_the_expected_duration_is_printed_before_the_run() -> None:
    """Beside the number of trials; where the number of repetitions is open, too."""
    cases = ((5, 4, "20 trials"), (1, 1, "1 trial"), (None, 4, "4 trials in each repetition"))
    for blocks, trials, much in cases:
        out = io.StringIO()
        console = Console(file=out, width=120, color_system=None)
        with RunProgress(console, title="Which?", trials=trials, blocks=blocks, expected_s=75.4):
            pass
        assert out.getvalue() == f"Which?  {much}, about 75 s\n"


def test_an_open_run_shows_how_long_it_may_take() -> None:
    """Its number of repetitions is open, so its bar counts without an end."""
    text, bar = (shown(blocks=None, is_terminal=is_terminal) for is_terminal in (False, True))

    assert "Which?  4 trials in each repetition, 15 min at most" in text
    assert "repetition 2: starting workers" in text
    assert "± 4.1 % at the widest" in text
    assert "2/? trials" in bar
    assert "of 15 min at most" in bar
