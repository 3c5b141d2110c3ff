"""Shows the progress of a submission: a bar on a terminal, or a line at each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from poolbench import format as fmt
from poolbench.presence import WorkerGroup
from poolbench.records import TrialPlan
from producer.publisher import Sent
from producer.submission import Submission
from producer.summary import TrialSummary

EVENTS_NOTE = "Celery's events are on, for Flower: small jobs run slower than without."


class Screen:
    """Progress on a terminal; where there is none, a line at each step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._row: TaskID | None = None
        self._trial = -1
        self._progress = Progress(
            TextColumn("{task.fields[contender]:<8}"),
            TextColumn("[dim]{task.description:<7}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} jobs"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def announce(self, submission: Submission, groups: Mapping[str, WorkerGroup]) -> None:
        """Print what will be sent, and to which workers."""
        self._print(Text.assemble(("run ", "dim"), (submission.run, "bold")))
        self._print(_describe_jobs(submission))
        if submission.is_comparison:
            order = " → ".join(submission.pools)
            self._print(Text.assemble(f"to {order}", (f", seed {submission.seed}", "dim")))
        else:
            (pool,) = submission.pools
            self._print(_describe_group(pool, groups[pool]))
        if any(group.has_events for group in groups.values()):
            self._print(Text(EVENTS_NOTE, "yellow"))

    def sending(self, plan: TrialPlan, count: int) -> None:
        """Show how many jobs of a trial are sent so far."""
        if plan.trial != self._trial:
            self._trial = plan.trial
            if self._row is not None:
                self._progress.remove_task(self._row)
            self._row = self._progress.add_task(
                "sending", total=plan.count, contender=plan.contender
            )
        if self._row is not None:
            self._progress.update(self._row, completed=count)

    def sent(self, plan: TrialPlan, sent: Sent) -> None:
        """Print that a trial's jobs are sent."""
        text = f"sent {fmt.counted(sent.count, noun='job')} to {plan.contender} "
        # a backlog is due all at once, so its jobs can't be in time
        late = f", at most {fmt.duration(sent.lag_max_s)} late" if plan.rate_per_s else ""
        self._print(Text.assemble(f"{text}in {fmt.duration(sent.span_s)}", (late, "dim")))
        if self._row is not None:
            self._progress.update(
                self._row, description="running", completed=0, total=max(1, sent.count)
            )

    def running(self, trial: TrialSummary) -> None:
        """Show how many jobs of a trial have ended so far."""
        if self._row is not None:
            self._progress.update(self._row, completed=trial.ledger.done + trial.ledger.failed)

    def _print(self, text: Text) -> None:
        self._console.print(text, highlight=False)


def _describe_jobs(submission: Submission) -> Text:
    parameters = " ".join(f"{name}={value:g}" for name, value in submission.parameters.items())
    return Text.assemble(
        f"{submission.count:,} × {submission.kind.name} ",
        (parameters, "dim"),
        f", {submission.schedule}",
    )


def _describe_group(pool: str, group: WorkerGroup) -> Text:
    found = f"{fmt.counted(group.workers, noun='worker')}, {fmt.counted(group.slots, noun='slot')}"
    if not group.workers:
        found = "no worker is live"
    return Text.assemble(f"to {pool} ", (f"({found})", "dim"))
