"""Shows the progress of a submission: a bar on a terminal, else a line at each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from poolbench import format as fmt
from poolbench.presence import WorkerGroup
from poolbench.records import TrialPlan
from producer.publisher import Sent
from producer.submission import Submission
from producer.summary import TrialSummary

EVENTS_NOTE = "Celery's events are on, for Flower: small jobs run slower than without."


class Screen(Progress):
    """A progress bar on a terminal; elsewhere a line at each step."""

    def __init__(self, console: Console) -> None:
        super().__init__(
            TextColumn("{task.fields[contender]:<8}"),
            TextColumn("[dim]{task.description:<7}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} jobs"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._trial = -1

    def announce(self, submission: Submission, groups: Mapping[str, WorkerGroup]) -> None:
        """Print what will be sent, and to which workers."""
        self.console.print(Text.assemble(("run ", "dim"), (submission.run, "bold")))
        parameters = " ".join(f"{name}={value:g}" for name, value in submission.parameters.items())
        jobs = f"{submission.schedule.count:,} × {submission.kind.name} "
        self.console.print(Text.assemble(jobs, (parameters, "dim"), f", {submission.schedule}"))
        if len(submission.pools) > 1:
            order = " → ".join(submission.pools)
            self.console.print(Text.assemble(f"to {order}", (f", seed {submission.seed}", "dim")))
        else:
            (pool,) = submission.pools
            workers = fmt.counted(groups[pool].workers, noun="worker")
            found = f"{workers}, {fmt.counted(groups[pool].slots, noun='slot')}"
            if not groups[pool].workers:
                found = "no worker is live"
            self.console.print(Text.assemble(f"to {pool} ", (f"({found})", "dim")))
        if any(group.has_events for group in groups.values()):
            self.console.print(Text(EVENTS_NOTE, "yellow"))

    def sending(self, plan: TrialPlan, count: int) -> None:
        """Show how many jobs of a trial are sent so far."""
        if plan.trial != self._trial:
            self._trial = plan.trial
            for row in self.task_ids:
                self.remove_task(row)
            self.add_task("sending", total=plan.count, contender=plan.contender)
        self._show(completed=count)

    def sent(self, plan: TrialPlan, sent: Sent) -> None:
        """Print that a trial's jobs are sent."""
        text = f"sent {fmt.counted(sent.count, noun='job')} to {plan.contender} "
        # all jobs of a backlog are due at once, so they are always late
        late = f", at most {fmt.duration(sent.lag_max_s)} late" if plan.rate_per_s else ""
        self.console.print(Text.assemble(f"{text}in {fmt.duration(sent.span_s)}", (late, "dim")))
        self._show(description="running", completed=0, total=max(1, sent.count))

    def running(self, trial: TrialSummary) -> None:
        """Show how many jobs of a trial have ended so far."""
        self._show(completed=trial.ledger.done + trial.ledger.failed)

    def _show(self, **state: Any) -> None:
        """Show the state of the present trial, the only one that has a row."""
        for row in self.task_ids:
            self.update(row, **state)
