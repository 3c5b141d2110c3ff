"""A recording is read whole, and what it lacks is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from collector.recording import JOB_SCHEMA, read_recording
from poolbench.errors import ExitCode, PoolbenchError
from poolbench.records import FORMAT, Outcome
from tests.recordings import BEGIN_NS, RecordedApp, RecordedJob, jobs_of, write_recording

MAIL = RecordedJob(task="shop.mail", at_s=0.5, states={"core": 0.01, "io_wait": 0.19})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a recording that isn't written yet."""
    return tmp_path / "shop.pbrec"


def test_an_execution_is_one_row_with_all_that_was_recorded(file: Path) -> None:
    """The lines of a nonce become a record, with the columns that only recordings have."""
    job = replace(MAIL, queue="mail", priority=3, grown_bytes=4_096)
    jobs = read_recording(write_recording(file, [job])).jobs

    assert jobs.schema == JOB_SCHEMA
    [row] = jobs.to_dicts()
    assert (row["kind"], row["queue"], row["priority"]) == ("shop.mail", "mail", 3)
    assert row["outcome"] == Outcome.DONE
    assert row["published_ns"] == BEGIN_NS + 500_000_000
    assert row["finished_ns"] - row["started_ns"] == 200_000_000
    assert (row["core_ns"], row["io_wait_ns"], row["gil_wait_ns"]) == (10**7, 19 * 10**7, None)
    assert row["rss_after_bytes"] - row["rss_before_bytes"] == 4_096


def test_a_session_describes_worker_and_tasks(file: Path) -> None:
    """The head of a session is read with the options of its tasks."""
    app = RecordedApp(pool="threads", slots=8, tasks={"shop.mail": {"acks_late": True}})
    recording = read_recording(write_recording(file, [MAIL], app=app))

    [session], [worker] = recording.sessions, recording.workers
    assert (session.celery, session.cores, session.gil_reason) == ("5.7.0", 4, "")
    assert session.end_reason == "worker"
    assert (worker.name, worker.pool, worker.slots) == ("shop@web1", "threads", 8)
    assert recording.tasks == {"shop.mail": {"acks_late": True}}
    assert recording.heartbeats["slots"].unique().to_list() == [8]
    assert recording.levels["connections"].unique().to_list() == [10]


def test_a_restarted_worker_is_another_session(file: Path) -> None:
    """Rows have the index of their session, in the order of the file."""
    write_recording(file, [MAIL])
    write_recording(file, [MAIL], app=RecordedApp(name="shop@web2", slots=2))
    recording = read_recording(file)

    assert [one.worker.name for one in recording.sessions if one.worker] == [
        "shop@web1",
        "shop@web2",
    ]
    assert sorted(recording.jobs["session"]) == [0, 1]
    assert recording.heartbeats.group_by("session").agg(pl.col("slots").max()).sort("session")[
        "slots"
    ].to_list() == [4, 2]


def test_files_are_workers(tmp_path: Path) -> None:
    """Several files are read as one recording with the workers of all."""
    first = write_recording(tmp_path / "1", [MAIL])
    second = write_recording(tmp_path / "2", [MAIL], app=RecordedApp(name="shop@web2"))
    recording = read_recording(first, second)

    assert [one.name for one in recording.workers] == ["shop@web1", "shop@web2"]
    assert recording.jobs.height == 2


def test_a_file_cut_in_the_middle_of_a_line_is_read(file: Path) -> None:
    """A file that is being written, or lost its end, costs its last line alone."""
    write_recording(file, [MAIL])
    whole = read_recording(file).counts
    file.write_bytes(file.read_bytes()[:-20])
    counts = read_recording(file).counts

    assert (counts.cut, counts.garbled, counts.lines) == (1, 0, whole.lines - 1)
    assert (whole.cut, whole.garbled) == (0, 0)


def test_garbled_lines_are_counted_and_cost_no_other(file: Path) -> None:
    """Lines of other content or unknown moments are counted; the rest is read."""
    write_recording(file, [MAIL])
    strange = b'no json\n{"v":1,"m":"novelty","t_ns":1}\n{"v":1,"m":"task"}\n\n'
    steps = b'{"v":1,"m":"lane","t_ns":1}\n{"v":1,"m":"turns","t_ns":1,"steps":"x"}\n'
    file.write_bytes(file.read_bytes() + strange + steps)
    recording = read_recording(file)

    assert recording.counts.garbled == 5
    assert recording.steps == ()
    assert recording.jobs.height == 1


def test_an_execution_that_never_ended_is_counted(file: Path) -> None:
    """Whether it still runs or was lost is unknown, so it has no outcome."""
    write_recording(file, [MAIL, replace(MAIL, outcome="")])
    recording = read_recording(file)

    assert recording.counts.unfinished == 1
    assert recording.jobs["outcome"].to_list().count(None) == 1


def test_a_session_whose_oldest_part_was_dropped_begins_with_its_first_line(file: Path) -> None:
    """The time of its head is no longer part of what the file has."""
    app = RecordedApp(recording={"dropped_lines": 7, "t_ns": BEGIN_NS - 10**12})
    write_recording(file, [MAIL], app=app)
    recording = read_recording(file)

    assert recording.counts.dropped == 7
    assert recording.sessions[0].begin_ns == BEGIN_NS


@pytest.mark.parametrize(
    ("content", "text", "code"),
    [
        pytest.param(b"", "the file is empty", ExitCode.STORAGE, id="empty"),
        pytest.param(b"PK\x03\x04", "not a recording", ExitCode.STORAGE, id="binary"),
        pytest.param(b'{"v":1,"m":"reco', "not a recording", ExitCode.STORAGE, id="cut"),
        pytest.param(b'{"run":"x"}\n', "not a recording", ExitCode.STORAGE, id="other-json"),
        pytest.param(
            b'{"v":9,"m":"recording","t_ns":1}\n',
            f"format version 9, and this Poolbench reads {FORMAT}",
            ExitCode.STORAGE,
            id="newer",
        ),
        pytest.param(
            b'{"v":1,"m":"recording","t_ns":1}\n', "no execution", ExitCode.INVALID, id="no-jobs"
        ),
        pytest.param(None, "no such file", ExitCode.USAGE, id="absent"),
    ],
)
def test_what_can_not_be_used_is_one_clear_line(
    file: Path, content: bytes | None, text: str, code: ExitCode
) -> None:
    """Each fault names the file and has its exit code."""
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(PoolbenchError, match=text) as caught:
        read_recording(file)

    assert caught.value.exit_code == code
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_in_any_blocks_are_the_same_rows(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a block of the file ends has no effect."""
    write_recording(file, jobs_of("shop.mail", [0.1 * one for one in range(20)], {"core": 0.05}))
    whole = read_recording(file)
    monkeypatch.setattr("collector.recording._BLOCK_BYTES", 700)
    pieces = read_recording(file)

    assert pieces.jobs.equals(whole.jobs)
    assert pieces.heartbeats.equals(whole.heartbeats)
    assert pieces.counts == whole.counts
    assert pieces.sessions == whole.sessions


def test_names_of_tasks_have_no_terminal_codes(tmp_path: Path) -> None:
    """A profile prints them, in a terminal and in one line."""
    jobs = jobs_of("shop.ünï\n\x1b[2J", [0.0], {"io_wait": 0.01})
    recording = read_recording(write_recording(tmp_path / "shop.pbrec", jobs))

    assert recording.jobs["kind"].to_list() == ["shop.ünï\\n\\x1b[2J"]
    assert set(recording.tasks) == {"shop.ünï\\n\\x1b[2J"}
