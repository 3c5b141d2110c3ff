"""Progress: bars on a terminal, a line at each step elsewhere."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from rich.console import Console

from poolbench.jobs import JOB_KINDS, complete_parameters
from poolbench.presence import WorkerGroup
from producer.publisher import Sent
from producer.screen import EVENTS_NOTE, Screen
from producer.submission import Submission, schedule_of
from tests.unit.producer.test_follow import trial_of

SENT = Sent(count=50, first_due_ns=1, lag_max_s=0.0012, span_s=2.5, is_complete=True)
GROUP = WorkerGroup(workers=2, slots=1_200)


def show(submission: Submission, *, group: WorkerGroup = GROUP, is_terminal: bool = False) -> str:
    """Everything that a submission shows on its way, control codes taken out."""
    plan = submission.plans(dict.fromkeys(submission.pools, 4), calibration={})[0]
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=is_terminal, force_interactive=is_terminal)
    with Screen(console) as screen:
        screen.announce(submission, dict.fromkeys(submission.pools, group))
        screen.sending(plan, 25)
        screen.sent(plan, SENT)
        screen.running(trial_of(sent=50, done=20, failed=1))
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


SUBMISSION = Submission(
    run="r1",
    pools=("gevent",),
    kind=JOB_KINDS["io.http"],
    parameters=complete_parameters(JOB_KINDS["io.http"], {}),
    schedule=schedule_of({"count": 50, "rate_per_s": 20}),
)


def test_elsewhere_each_step_is_a_line() -> None:
    """Nothing moves in a file: what, to whom, when it was sent, and how late."""
    assert show(SUBMISSION).splitlines() == [
        "run r1",
        "50 × io.http delay_ms=50 size_bytes=1024, 20/s, constant",
        "to gevent (2 workers, 1,200 slots)",
        "sent 50 jobs to gevent in 2.50 s, at most 1.20 ms late",
    ]


def test_a_backlog_is_not_called_late() -> None:
    """Jobs that are all due at once can't be in time."""
    text = show(replace(SUBMISSION, schedule=schedule_of({"count": 50})))

    assert "all at once" in text
    assert "late" not in text


def test_events_are_said_where_they_are_on() -> None:
    """They cost throughput, so they are told before the figures."""
    assert EVENTS_NOTE in show(SUBMISSION, group=replace(GROUP, has_events=True))
    assert EVENTS_NOTE not in show(SUBMISSION)
    assert len(EVENTS_NOTE) < 80


def test_a_terminal_sees_the_last_state_of_the_bar() -> None:
    """After sending, the bar counts the jobs that have ended, well or not."""
    text = show(SUBMISSION, is_terminal=True)

    assert re.search(r"gevent +running .*21/50 jobs", text)
    assert "sent 50 jobs to gevent" in text
