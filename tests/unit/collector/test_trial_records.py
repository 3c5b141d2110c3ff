"""Records, read some trials at a time: each trial's own, whole, however the file lies."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collector import trial_records
from collector.files import FORMAT_KEY
from collector.schema import RECORD_SCHEMA, conform
from collector.store import RunFolder
from poolbench.errors import StorageError

#: Trial of each record, in the order of the file: three trials, the middle one large.
TRIALS = [0, 0, *[3] * 7, 4, 4]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder without records."""
    return RunFolder(tmp_path / "run")


def write(folder: RunFolder, *, trials: list[int | None]) -> None:
    """Write a record for each, numbered by its place in the file."""
    frame = pl.DataFrame(
        {"trial": trials, "seq": range(len(trials))}, schema={"trial": pl.Int64, "seq": pl.Int64}
    )
    folder.write_jobs(conform(frame, schema=RECORD_SCHEMA))


def seqs(folder: RunFolder) -> dict[int, list[int]]:
    """Return the places of each trial's records, as they are read; no trial in two frames."""
    found: dict[int, list[int]] = {}
    for frame in folder.trial_records().windows(columns=["trial", "seq"]):
        places = frame.group_by("trial").agg(pl.col("seq").sort())
        read = {int(trial): list(seqs) for trial, seqs in places.iter_rows()}
        assert not found.keys() & read.keys()
        found |= read
    return found


@pytest.mark.parametrize(
    ("trials", "rows", "expected"),
    [
        *((TRIALS, rows, {0: [0, 1], 3: [*range(2, 9)], 4: [9, 10]}) for rows in (1, 4, 100)),
        pytest.param([3, 0, 3, 4, 0], 100, {0: [1, 4], 3: [0, 2], 4: [3]}, id="another-order"),
        pytest.param([None, None, 0, None, 1], 100, {0: [2], 1: [4]}, id="jobs-of-no-trial"),
    ],
)
def test_each_trial_comes_once_and_whole(
    folder: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    trials: list[int | None],
    rows: int,
    expected: dict[int, list[int]],
) -> None:
    """Patched, so that a small file lies in many windows: their bounds don't show."""
    monkeypatch.setattr(trial_records, "WINDOW_ROWS", rows)
    write(folder, trials=trials)

    assert seqs(folder) == expected


@pytest.mark.parametrize("trials", [[3, 0, 3, 4, 0], [0, 0, 3, 3, 4]], ids=["unordered", "ordered"])
def test_one_trial_is_read_alone(folder: RunFolder, trials: list[int | None]) -> None:
    """With the columns that were asked for, in that order, wherever its records lie."""
    write(folder, trials=trials)
    records = folder.trial_records()

    found = records.read(3, columns=["outcome", "seq"])

    places = [place for place, trial in enumerate(trials) if trial == 3]
    assert_frame_equal(found, folder.read_jobs(columns=["outcome", "seq"])[places])
    assert records.read(1, columns=["seq"]).is_empty()


def test_no_file_has_no_trials(folder: RunFolder) -> None:
    """A run that was cut before its first records were kept."""
    assert seqs(folder) == {}
    assert folder.trial_records().read(0, columns=["seq"]).schema == {"seq": pl.Int64()}


def test_a_garbled_or_foreign_file_is_one_clear_line(folder: RunFolder) -> None:
    """As of every other table."""
    write(folder, trials=[0])
    pl.read_parquet(folder.jobs_path).write_parquet(folder.jobs_path, metadata={FORMAT_KEY: "9"})
    with pytest.raises(StorageError, match=r"jobs\.parquet: format version 9"):
        seqs(folder)

    folder.jobs_path.write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"jobs\.parquet: not a readable table"):
        seqs(folder)
