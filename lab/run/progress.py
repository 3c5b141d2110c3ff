"""What a person sees while a run goes on: what is running, how far, how long still."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from report import format as fmt


class RunProgress:
    """A live bar in a terminal; elsewhere a line at each block's start."""

    def __init__(
        self, console: Console, *, title: str, trials: int, blocks: int | None, at_most_s: float = 0
    ) -> None:
        """Know how much there is to do.

        Args:
            console: where people look.
            title: of the experiment.
            trials: of one block.
            blocks: None where the run ends by `--until`.
            at_most_s: when such a run ends at the latest, seconds.
        """
        self._console = console
        self._blocks = blocks
        self._trials = trials if blocks is None else trials * blocks
        self._title = title
        self._at_most_s = at_most_s
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                _Done(),
                TimeElapsedColumn(),
                _Remaining(at_most_s=at_most_s),
                TextColumn("[dim]{task.fields[now]}"),
                console=console,
                transient=True,
            )
            total = None if blocks is None else self._trials
            self._row = self._bar.add_task("run", total=total, now="starting")

    def block(self, number: int) -> None:
        """Say which block begins, numbered from 1."""
        of = f" of {self._blocks}" if self._blocks else ""
        self._console.print(f"[dim]block {number}{of}: starting fresh workers[/dim]")

    def say(self, what: str) -> None:
        """Leave a line about how the run goes."""
        self._console.print(f"[dim]{escape(what)}[/dim]", highlight=False)

    def now(self, what: str) -> None:
        """Say what is running at this moment."""
        if self._bar is not None:
            self._bar.update(self._row, now=escape(what))

    def advance(self) -> None:
        """Count one trial as done."""
        if self._bar is not None:
            self._bar.advance(self._row)

    def __enter__(self) -> Self:
        much = f"{self._trials} trials"
        if self._blocks is None:
            much += f" a block, {fmt.minutes(self._at_most_s)} at most"
        self._console.print(f"[bold]{escape(self._title)}[/]  [dim]{much}[/]")
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


class _Done(ProgressColumn):
    """How many trials are over, and of how many if anybody knows."""

    def render(self, task: Task) -> Text:
        """Return the count."""
        of = "" if task.total is None else f"/{task.total:.0f}"
        return Text(f"{task.completed:.0f}{of} trials")


class _Remaining(ProgressColumn):
    """How long still, from the mean time of a trial so far, starts and stops of blocks included.

    Where nobody knows how many trials there will be: how long still at most.
    """

    def __init__(self, *, at_most_s: float) -> None:
        super().__init__()
        self._began_at_s = time.monotonic()
        self._at_most_s = at_most_s

    def render(self, task: Task) -> Text:
        """Return the estimate, or a dash until the first trial is done."""
        spent_s = time.monotonic() - self._began_at_s
        if task.total is None:
            return Text(f"{_clock(self._at_most_s - spent_s)} left at most", style="cyan")
        if not task.completed:
            return Text("–", style="cyan")
        each_s = spent_s / task.completed
        return Text(f"{_clock(each_s * (task.total - task.completed))} left", style="cyan")


def _clock(span_s: float) -> str:
    whole_s = max(0, round(span_s))
    return f"{whole_s // 60}:{whole_s % 60:02d}"
