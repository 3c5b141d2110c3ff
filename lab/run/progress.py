"""Shows the progress of a run: what is running, how much is done, how much time is left."""

from __future__ import annotations

import math
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from report import format as fmt


class RunProgress:
    """A live bar in a terminal; elsewhere a line at each block's start."""

    def __init__(
        self,
        console: Console,
        *,
        title: str,
        trials: int,
        blocks: int | None,
        lanes: int = 0,
        at_most_s: float = 0,
        expected_s: float | None = None,
    ) -> None:
        """Set up the display.

        Args:
            console: where the progress is shown.
            title: of the experiment.
            trials: number in one repetition.
            blocks: number of repetitions; None if it is open.
            lanes: number of trials of lanes, which are after all repetitions.
            at_most_s: longest time of such a run, seconds.
            expected_s: expected duration, seconds; None if it is unknown.
        """
        self._console = console
        self._blocks = blocks
        limit = (
            [TextColumn(f"of {fmt.minutes(at_most_s)} at most")]
            if blocks is None
            else [TimeRemainingColumn(compact=True), TextColumn("left")]
        )
        self._bar = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("trials"),
            TimeElapsedColumn(),
            *limit,
            TextColumn("[dim]{task.fields[now]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            # the mean is over the whole run, which includes starts and stops of blocks
            speed_estimate_period=math.inf,
        )
        total = None if blocks is None else trials * blocks + lanes
        self._row = self._bar.add_task("run", total=total, now="starting")
        in_all = fmt.counted(trials if total is None else total, noun="trial")
        much = [in_all if blocks is not None else f"{in_all} in each repetition"]
        if expected_s is not None:
            much.append(f"about {fmt.minutes(expected_s)}")
        elif blocks is None:
            much.append(f"{fmt.minutes(at_most_s)} at most")
        self._head = f"[bold]{escape(title)}[/]  [dim]{', '.join(much)}[/]"

    def block(self, number: int) -> None:
        """Print which repetition begins, numbered from 1."""
        of = f" of {self._blocks}" if self._blocks else ""
        self._console.print(f"[dim]repetition {number}{of}: starting workers[/dim]")

    def print_line(self, what: str) -> None:
        """Print a line about the run."""
        self._console.print(f"[dim]{escape(what)}[/dim]", highlight=False)

    def now(self, what: str) -> None:
        """Show what is running at this moment."""
        self._bar.update(self._row, now=escape(what))

    def advance(self) -> None:
        """Count one trial as done."""
        self._bar.advance(self._row)

    def __enter__(self) -> Self:
        self._console.print(self._head)
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
