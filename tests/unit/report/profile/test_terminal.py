"""The profile of an app fits a terminal, and shows what is unknown as unknown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lab.conformance.kept import kept_verdicts
from report.profile.measure import measure_profile
from report.profile.model import Profile
from report.profile.terminal import render
from report.profile.wording import title
from tests.recordings import RecordedApp, jobs_of, poisson
from tests.unit.report.profile.conftest import Record


def screen(profile: Profile, *, width: int = 80, has_details: bool = False) -> str:
    """Return what a terminal of that width shows."""
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(render(profile, has_details=has_details))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


@pytest.fixture
def shop(record: Record) -> Profile:
    """Return the profile of a shop: thumbnails in threads, and mails that wait."""
    thumbnails = jobs_of(
        "shop.thumbnail",
        poisson(per_s=20, duration_s=60),
        {"core_held": 0.05, "core_released": 0.03, "gil_wait": 0.02, "io_wait": 0.02},
        queue="default",
    )
    mails = jobs_of(
        "shop.send_mail", poisson(per_s=5, duration_s=60, seed=3), {"io_wait": 0.05}, queue="mail"
    )
    app = RecordedApp(
        pool="threads",
        queues=("default", "mail"),
        tasks={"shop.send_mail": {"acks_late": True}, "shop.thumbnail": {"soft_time_limit": 20}},
        worker={"options": {"concurrency": 4, "max_tasks_per_child": 100}},
    )
    return measure_profile(record([*thumbnails, *mails], app=app), verdicts=kept_verdicts())


def test_the_first_screen(shop: Profile) -> None:
    """A row a task, what the settings did, what the app relies on, what needs attention."""
    assert screen(shop) == SCREEN


def test_wide_terminals_show_more_columns(shop: Profile) -> None:
    """At 120 columns the table has every column."""
    header, first, *_ = screen(shop, width=120).splitlines()[4:]

    assert " ".join(header.split()) == (
        "task jobs /s busy p50 p95 max CPU core GIL wait + memory bad ends"
    )
    assert " ".join(first.split()) == (
        "shop.thumbnail 1,178 19.3 91 % 120 ms 120 ms 120 ms 80.0 ms 67 % 17 % 17 % ? –"
    )


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("has_details", [False, True])
def test_no_line_is_wider_than_the_terminal(
    shop: Profile, *, width: int, has_details: bool
) -> None:
    """Nothing is cut, whatever is shown."""
    text = screen(shop, width=width, has_details=has_details)

    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_details_have_every_task_and_what_each_pool_did(shop: Profile) -> None:
    """The details name states by their full names, and quote the survey."""
    text = screen(shop, width=120, has_details=True)

    assert "core, GIL held 42 %, core, GIL free 25 %, GIL wait 17 %" in text
    assert "threads: ignored: The job ran to its end without an exception." in text
    assert "index of dispersion" in text


def test_what_is_not_known_is_a_question_mark(record: Record) -> None:
    """A gevent worker has no states: it ran or didn't, and its memory isn't a job's."""
    jobs = jobs_of("mail", [0.0, 1.0], {"core": 0.1, "io_wait": 0.1})
    text = screen(measure_profile(record(jobs, app=RecordedApp(pool="gevent"))), width=120)

    [row] = [line for line in text.splitlines() if line.startswith("mail ")]
    assert row.split()[-5:] == ["50", "%", "·", "?", "–"]
    assert "the slots of gevent share one thread" in text


def test_an_autoscaled_worker_has_a_range_of_slots(record: Record) -> None:
    """It starts with its fewest, which says nothing of the rest."""
    app = RecordedApp(slots=1, worker={"effective": {"autoscale": [4, 1]}})
    recording = record(jobs_of("mail", [0.0], {"io_wait": 0.01}), app=app)

    assert "(prefork, 1 to 4 slots)" in title(measure_profile(recording))


def test_many_workers_and_restarts_are_counted(record: Record) -> None:
    """Ten workers of two kinds are two entries, and prefetch counts that are alike one."""
    jobs = jobs_of("mail", [0.0], {"io_wait": 0.1})
    for number in range(9):
        recording = record(jobs, app=RecordedApp(name=f"shop@web{number}"))
    recording = record(jobs, app=RecordedApp(name="shop@big", slots=8))
    text = screen(measure_profile(recording), width=120)

    assert text.startswith(
        "9 workers (prefork, 4 slots), 1 worker (prefork, 8 slots): 10 executions"
    )
    assert "7 more" in text


SCREEN = """\
shop@web1 (threads, 4 slots): 1,474 executions of 2 tasks in 61 s
Python 3.12.1, Celery 5.7.0, 4 cores, 2026-09-21 14:13 UTC

What the jobs are
task                                   jobs busy     p50     p95 core  GIL  wait
shop.thumbnail                        1,178 91 %  120 ms  120 ms 67 % 17 %  17 %
shop.send_mail                          296  9 % 50.0 ms 50.0 ms    ·    · 100 %
Shares of the duration, by samples. core: computing; GIL: waiting for it; wait:
for network, disk or a timer.

What the worker's settings did
  slots busy      2.56 of 4 on average; p95 4, most 4
  wait            mean 20.4 ms: all busy 94 %, queue 4.9 %, idle slot 0.74 %;
                  p95 97.1 ms
  prefetch count  16 (asked: 16)
  memory (PSS)    60.0 MB on average, most 60.0 MB; processes: 1 at most
  connections     10 on average, most 10
  CPU             1.54 cores; the recording itself: 0.03

What the app relies on, and what each pool does with it
                                         prefork threads gevent  asyncio solo
soft time limit                          works   ignored ignored works   ignored
late acknowledgement                     works   works   breaks  works   works
redelivery after a kill                  works   works   breaks  works   works
max tasks per child                      works   ignored ignored ignored ignored

Asked for, and not in effect
  shop@web1: soft_time_limit of shop.thumbnail: ignored by threads: The job ran
  to its end without an exception.
  shop@web1: --max-tasks-per-child 100: ignored by threads: One process ran all
  the jobs.

What needs attention
  94 % of the jobs' mean wait of 20.4 ms: its worker has received it, and all
  slots are busy
  shop.thumbnail computes for 67 % of its time (42 % with the GIL)
  shop.thumbnail waits 17 % of its time for the GIL: other threads hold it
  shop.send_mail waits 100 % of its time for network, disk or a timer

Details: --details; as a page: --output FILE.html; which setting fits: poolbench
advise FILE"""
