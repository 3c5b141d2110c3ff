"""What a person sees while a run goes on: what is running, how far, how long still."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text


class RunProgress:
    """A live bar in a terminal; elsewhere a line at each block's start."""

    def __init__(self, console: Console, *, title: str, trials: int) -> None:
        self._console = console
        self._trials = trials
        self._title = title
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:.0f}/{task.total:.0f} trials"),
                TimeElapsedColumn(),
                _Remaining(),
                TextColumn("[dim]{task.fields[now]}"),
                console=console,
                transient=True,
            )
            self._row = self._bar.add_task("run", total=trials, now="starting")

    def block(self, number: int, *, of: int) -> None:
        """Say which block begins, numbered from 1."""
        self._console.print(f"[dim]block {number} of {of}: starting fresh workers[/dim]")

    def now(self, what: str) -> None:
        """Say what is running at this moment."""
        if self._bar is not None:
            self._bar.update(self._row, now=escape(what))

    def advance(self) -> None:
        """Count one trial as done."""
        if self._bar is not None:
            self._bar.advance(self._row)

    def __enter__(self) -> Self:
        self._console.print(f"[bold]{escape(self._title)}[/]  [dim]{self._trials} trials[/]")
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


class _Remaining(ProgressColumn):
    """How long still, from the mean time of a trial so far, starts and stops of blocks included."""

    def __init__(self) -> None:
        super().__init__()
        self._began_at_s = time.monotonic()

    def render(self, task: Task) -> Text:
        """Return the estimate, or a dash until the first trial is done."""
        if not task.completed or task.total is None:
            return Text("–", style="cyan")
        each_s = (time.monotonic() - self._began_at_s) / task.completed
        left_s = round(each_s * (task.total - task.completed))
        return Text(f"{left_s // 60}:{left_s % 60:02d} left", style="cyan")
