"""A run's folder: whole files or none, its own format only, and disk faults in one clear line."""

from __future__ import annotations

import textwrap
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collector.parse import parse_lines
from collector.parts import StreamId
from collector.run_manifest import ExperimentSource, Machine, Manifest
from collector.schema import LINE_SCHEMA, RECORD_SCHEMA, SAMPLE_SCHEMA
from collector.store import RunFolder
from poolbench.errors import StorageError
from tests.processes import run_python
from tests.wire import encode_line, stored_lines

MANIFEST = Manifest(
    run="r1",
    state="finished",
    experiment=ExperimentSource(file="e.toml", sha256="", title="ä"),
    contenders=(),
    workloads=(),
    machine=Machine(cores=2, os="Linux", python="3.13.1"),
    trials=(),
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder that isn't there yet."""
    return RunFolder(tmp_path / "results" / "r1")


def write(folder: RunFolder, *ranges: tuple[int, int]) -> None:
    """Store a part for each range of entries, each of one line whose seq is the entry's."""
    for first, last in ranges:
        lines = [
            {"v": 1, "m": "received", "nonce": f"n{seq}", "t_ns": 5, "seq": seq}
            for seq in range(first, last + 1)
        ]
        frame = parse_lines([encode_line(line) for line in lines], run="r1")
        folder.write_part(frame, first=StreamId(first, 0), last=StreamId(last, 0))


def test_jobs_samples_and_manifest_come_back(folder: RunFolder) -> None:
    """What was written is what is read; only the lab samples, so that none are an empty table."""
    jobs = RECORD_SCHEMA.to_frame().clear(2).with_columns(seq=pl.Series([1, 2]))
    samples = SAMPLE_SCHEMA.to_frame().clear(1).with_columns(cpu_s=pl.lit(0.5))
    assert folder.read_samples().schema == SAMPLE_SCHEMA
    assert stored_lines(folder).schema == LINE_SCHEMA

    folder.write_jobs(jobs)
    folder.write_samples(samples)
    folder.write_manifest(MANIFEST)

    assert_frame_equal(folder.read_jobs(), jobs)
    assert folder.read_jobs(columns=["seq"]).columns == ["seq"]
    assert_frame_equal(folder.read_samples(), samples)
    assert folder.read_manifest() == MANIFEST


def test_parts_are_read_in_order_and_each_line_once(folder: RunFolder) -> None:
    """Ids are numbers: 9, then 10; a part within another, as a killed compaction leaves, is out."""
    write(folder, (10, 12), (3, 9), (100, 100), (3, 5))

    assert stored_lines(folder)["seq"].to_list() == [*range(3, 13), 100]
    assert folder.count_lines() == (11, 0)


def test_compaction_keeps_the_lines_and_the_whole_range(folder: RunFolder) -> None:
    """One part where there were three, of the same lines; a person's copy beside it is left."""
    write(folder, (1, 2), (3, 4), (5, 6))
    (folder.parts_path / "1-0_2-0.copy.parquet").write_bytes(b"mine")
    before = stored_lines(folder)

    folder.merge_parts(folder.parts())

    assert_frame_equal(stored_lines(folder), before)
    names = sorted(path.name for path in folder.parts_path.iterdir())
    assert names == ["1-0_2-0.copy.parquet", "1-0_6-0.parquet"]
    assert folder.count_lines() == (6, 0)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [({"poolbench_format": "9"}, "format version 9"), ({}, "no format version")],
)
def test_other_format_version_is_refused(
    folder: RunFolder, metadata: dict[str, str], said: str
) -> None:
    """One line: the file, what it is, what we read, what to do; tables carry their version too."""
    folder.path.mkdir(parents=True)
    folder.manifest_path.write_text('{"format": 3}')
    RECORD_SCHEMA.to_frame().write_parquet(folder.jobs_path, metadata=metadata)

    with pytest.raises(StorageError, match=r"manifest\.json: format version 3, .* 1 and 2. Use"):
        folder.read_manifest()
    with pytest.raises(StorageError, match=rf"jobs\.parquet: {said}"):
        folder.read_jobs()


@pytest.mark.parametrize(
    "content", [b"", b"{cut", b"[]", b"\xff\xfe", b"PAR1", b"PAR1 is all PAR1"]
)
def test_garbled_file_is_one_clear_line(folder: RunFolder, content: bytes) -> None:
    """The file is named, and what to do; a library's own complaint is cut to a line."""
    folder.path.mkdir(parents=True)
    for path, read, said in (
        (folder.manifest_path, folder.read_manifest, r"manifest\.json: not "),
        (folder.jobs_path, folder.read_jobs, r"jobs\.parquet: not a readable table: "),
    ):
        path.write_bytes(content)
        with pytest.raises(StorageError, match=rf"{said}.*. Restore it or remove it") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_absent_file_is_one_clear_line(folder: RunFolder) -> None:
    """The commonest mistake: the folder is no run's, or the run isn't collected yet."""
    for read in (folder.read_manifest, folder.read_jobs):
        with pytest.raises(StorageError, match=r"r1/\w+\.\w+: no such file. Is it the folder of"):
            read()


def test_table_that_does_not_fit_is_not_there_at_all(folder: RunFolder) -> None:
    """A limit on file sizes, set in a process of its own, stops a real write half way."""
    script = """
        import resource, signal, sys
        from pathlib import Path
        from collector.schema import RECORD_SCHEMA
        from collector.store import RunFolder
        import polars as pl
        from poolbench.errors import StorageError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
        jobs = RECORD_SCHEMA.to_frame().clear(5000)
        jobs = jobs.with_columns(seq=pl.int_range(5000) ** 3 % 7919)
        try:
            RunFolder(Path(sys.argv[1])).write_jobs(jobs)
        except StorageError as error:
            print(error)
    """
    done = run_python("-c", textwrap.dedent(script), str(folder.path))

    assert "jobs.parquet: File too large. Free some space" in done.stdout
    assert list(folder.path.iterdir()) == []
