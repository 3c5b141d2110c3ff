"""A recording becomes the jobs of a trial: one for each message, as it was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.run_manifest import AppCall
from lab.experiment.recorded import recorded_workloads
from lab.replay.replay import Replay
from poolbench.errors import UsageError
from poolbench.jobs import STAND_IN
from producer.mixes import MixStandIns
from tests.recordings import RecordedApp, RecordedJob, jobs_of, write_recording

CORE = {"core_held": 0.01, "io_wait": 0.04}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a recording to write."""
    return tmp_path / "shop.pbrec"


def _replay(file: Path, **part: object) -> Replay:
    ((_, replay),) = recorded_workloads(file, name="shop", **part)  # type: ignore[arg-type]
    return replay


def test_jobs_are_due_when_they_were_published(file: Path) -> None:
    """Twice the speed halves the time between them."""
    write_recording(file, jobs_of("a", [1.0, 1.5, 4.0], CORE))

    assert [*_replay(file).offsets_s] == pytest.approx([0, 0.5, 3.0])
    assert [*_replay(file, speed=2.0).offsets_s] == pytest.approx([0, 0.25, 1.5])


def test_without_publishers_jobs_are_due_when_they_were_received(file: Path) -> None:
    """The source names which of the two it is."""
    write_recording(file, jobs_of("a", [1.0, 1.5], CORE), app=RecordedApp(has_published=False))

    replay = _replay(file)

    assert [*replay.offsets_s] == pytest.approx([0, 0.5])
    assert not replay.source.has_published


def test_each_job_has_its_own_numbers(file: Path) -> None:
    """Countdown, size of the message, and its segments; the long ones are not averaged."""
    jobs = jobs_of("a", [1.0, 1.5], lambda number: {"core_held": 0.01, "io_wait": number * 2.0})
    write_recording(file, [*jobs, *jobs_of("b", [2.0], CORE, countdown_s=5.0, size_bytes=900)])

    assert _replay(file).numbers == [
        (0.0, 200.0, 10.0, 0.0, 0.0, 0.0, 0),
        (0.0, 200.0, 10.0, 0.0, 2_000.0, 0.0, 0),
        (5.0, 900.0, 10.0, 0.0, 40.0, 0.0, 0),
    ]


def test_a_part_has_the_jobs_published_within_it(file: Path) -> None:
    """From the recording's begin on."""
    write_recording(file, jobs_of("a", [1.0, 2.0, 3.0, 4.0], CORE))

    assert _replay(file, from_s=1.5, to_s=3.5).count == 2


def test_unknown_computing_is_measured_at_both_extremes(file: Path) -> None:
    """From outside, a job that has its process's only thread doesn't show its use of the GIL."""
    write_recording(file, jobs_of("a", [1.0], {"core": 0.01, "io_wait": 0.01}))

    held, released = recorded_workloads(file, name="shop")

    assert [held[0].name, released[0].name] == ["shop (GIL held)", "shop (GIL released)"]
    assert held[1].numbers == [(0.0, 200.0, 10.0, 0.0, 10.0, 0.0, 0)]
    assert released[1].numbers == [(0.0, 200.0, 0.0, 10.0, 10.0, 0.0, 0)]


def test_what_did_not_run_is_counted(file: Path) -> None:
    """A job without an end has no duration to repeat."""
    jobs = [RecordedJob(task="a", at_s=2, states=CORE, outcome=""), *jobs_of("a", [1.0], CORE)]
    write_recording(file, jobs)

    assert _replay(file).source.left_out == {"without a known end": 1}


def test_a_failure_fails_again(file: Path) -> None:
    """So does a job that exceeded its time limit: it lasts as long, and fails."""
    jobs = [*jobs_of("a", [1.0], CORE, outcome="failed"), *jobs_of("a", [2.0], CORE)]
    write_recording(file, [*jobs, *jobs_of("a", [3.0], CORE, outcome="timed-out")])

    replay = _replay(file)

    ends = [replay.kinds[place].options.fail_share for place in replay.order]
    assert ends == [1.0, 0.0, 1.0]


def test_a_retry_is_an_attempt_of_its_job(file: Path) -> None:
    """It comes after the recorded countdown, and has segments of its own."""
    first = RecordedJob(task="a", at_s=1, states=CORE, outcome="retried", task_id="5" * 16)
    second = RecordedJob(
        task="a",
        at_s=1.05,
        states={"core_held": 0.02},
        attempt=1,
        countdown_s=2.0,
        task_id="5" * 16,
    )
    write_recording(file, [first, second])

    replay = _replay(file)

    (kind,) = replay.kinds
    assert isinstance(kind, MixStandIns)
    assert kind.attempts == 2
    (numbers,) = replay.numbers
    assert numbers[2:7] == (10.0, 0.0, 40.0, 0.0, 0)
    assert numbers[7] == pytest.approx(2.0, abs=0.01)
    assert numbers[8:] == (20.0, 0.0, 0.0, 0.0, 0)


def test_a_task_with_arguments_is_called_itself(file: Path) -> None:
    """What it publishes comes from the app again, so the recorded messages are left out."""
    jobs = [
        RecordedJob(task="order", at_s=1, states=CORE, task_id="1" * 16),
        RecordedJob(task="price", at_s=2, states=CORE, task_id="2" * 16, parent_id="1" * 16),
        RecordedJob(task="mail", at_s=3, states=CORE, parent_id="2" * 16),
        RecordedJob(task="mail", at_s=4, states=CORE),
    ]
    write_recording(file, jobs)
    call = AppCall(args=(1,))

    replay = _replay(file, calls={"order": call})

    assert [one.name for one in replay.kinds] == ["order", "mail.stand-in"]
    assert [(part.kind, part.call) for part in replay.parts] == [
        ("order", call),
        (STAND_IN, None),
    ]
    assert replay.source.left_out == {"published by order": 2}


def test_a_trial_may_be_silent_for_the_longest_attempt(file: Path) -> None:
    """A recorded job may take longer than a trial otherwise may be silent."""
    jobs = [
        RecordedJob(task="a", at_s=1, states=CORE, outcome="retried", task_id="1" * 16),
        RecordedJob(task="a", at_s=2, states={"io_wait": 40.0}, attempt=1, task_id="1" * 16),
        RecordedJob(task="a", at_s=3, states={"io_wait": 30.0}),
    ]
    write_recording(file, jobs)

    assert _replay(file).longest_s == 40.0


def test_an_unknown_task_is_a_fault_with_the_nearest(file: Path) -> None:
    """Nothing is started."""
    write_recording(file, jobs_of("shop.thumbnail", [1.0], CORE))

    with pytest.raises(UsageError, match=r"shop\.thumbnail"):
        _replay(file, tasks=["shop.thumbnails"])


def test_more_jobs_than_recorded_begin_again(file: Path) -> None:
    """At a searched rate or in a backlog; the mean rate is the wanted one."""
    write_recording(file, jobs_of("a", [0.0, 1.0, 2.0, 3.0], CORE))

    replay = _replay(file)
    due_s = replay.due_s(count=9, rate_per_s=4.0)

    assert len(replay.mix(9).order) == 9
    assert due_s == sorted(due_s)
    assert (len(due_s) - 1) / due_s[-1] == pytest.approx(4.0)


def test_only_what_the_part_lacks_is_counted(file: Path) -> None:
    """A job without an end that was published after the part is not missing in it."""
    jobs = [RecordedJob(task="a", at_s=9, states=CORE, outcome=""), *jobs_of("a", [1.0], CORE)]
    write_recording(file, jobs)

    assert _replay(file, to_s=5.0).source.left_out == {}
