"""Ingest against a real server: what is in the stream gets into the folder, once."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import redis

from collector import ingest as ingest_module
from collector.ingest import Ingest
from collector.store import RunFolder
from poolbench.errors import StorageError
from poolbench.keys import records_stream
from tests.conftest import Server
from tests.wire import add_lines, stored_lines


def stored(folder: Path) -> list[int]:
    """Return the seqs in the folder, in order of the parts."""
    return stored_lines(RunFolder(folder))["seq"].to_list()


@pytest.mark.parametrize("decode", [True, False])
def test_any_client_will_do(
    server: Server, client: redis.Redis, run_id: str, results_dir: Path, *, decode: bool
) -> None:
    """Whether the client decodes answers makes no difference, rubbish included.

    After a step the lines are in the folder and no longer in the stream.
    """
    add_lines(client, run_id, 0, 1)
    add_lines(client, run_id, 2, rubbish=b"\xff\xfe\n")

    with (
        redis.Redis.from_url(server.url, decode_responses=decode) as any_client,
        Ingest(any_client, run=run_id, folder=results_dir / run_id) as ingest,
    ):
        assert [ingest.step(), ingest.step()] == [2, 0]

    assert (ingest.stored_lines, ingest.rejected_lines) == (3, 1)
    assert stored(results_dir / run_id) == [0, 1, 2]
    assert client.xlen(records_stream(run_id)) == 0


def test_next_ingest_goes_on_where_the_last_one_stopped(
    client: redis.Redis, run_id: str, results_dir: Path
) -> None:
    """The greatest id in the folder is the cursor, and the counts go on too."""
    folder = results_dir / run_id
    for first in (0, 10):
        add_lines(client, run_id, first, first + 1, rubbish=b"rubbish\n")
        with Ingest(client, run=run_id, folder=folder) as ingest:
            ingest.drain()

    assert stored(folder) == [0, 1, 10, 11]
    assert (ingest.stored_lines, ingest.rejected_lines) == (4, 2)
    assert len(folder.joinpath("rejects.jsonl").read_text().splitlines()) == 2


def test_leftovers_of_a_killed_writer_are_removed(
    client: redis.Redis, run_id: str, results_dir: Path
) -> None:
    """Half a part is no part, and doesn't stay for ever; what isn't our writer's does."""
    parts = results_dir / run_id / "parts"
    parts.mkdir(parents=True)
    leftover, *others = (parts / name for name in (".1-0_2-0.parquet.77.tmp", "notes.tmp", ".own"))
    for path in (leftover, *others):
        path.write_bytes(b"half")
    add_lines(client, run_id, 0)

    with Ingest(client, run=run_id, folder=results_dir / run_id) as ingest:
        ingest.drain()

    assert not leftover.exists()
    assert all(path.exists() for path in others)
    assert stored(results_dir / run_id) == [0]


def test_folder_of_another_version_is_refused_and_left_as_it_is(
    client: redis.Redis, run_id: str, results_dir: Path
) -> None:
    """Another Poolbench may still need what this one would tidy up."""
    folder = RunFolder(results_dir / run_id)
    folder.parts_path.mkdir(parents=True)
    folder.manifest_path.write_text('{"format": 3}')
    leftover = folder.parts_path / ".1-0_2-0.parquet.77.tmp"
    leftover.touch()

    with pytest.raises(StorageError, match="format version 3"):
        Ingest(client, run=run_id, folder=folder.path).__enter__()

    assert leftover.exists()


def test_part_is_bounded(
    client: redis.Redis, run_id: str, results_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog comes in several parts, so that memory is bounded. Patched to a small bound."""
    monkeypatch.setattr(ingest_module, "PART_MAX_BYTES", 1)
    for seq in range(3 * ingest_module.READ_ENTRIES):
        add_lines(client, run_id, seq)

    with Ingest(client, run=run_id, folder=results_dir / run_id) as ingest:
        assert ingest.step() == ingest_module.READ_ENTRIES
        ingest.drain()

    assert ingest.stored_lines == 3 * ingest_module.READ_ENTRIES
    assert len(RunFolder(results_dir / run_id).parts()) == 3


def test_rubbish_is_kept_aside_and_stops_nothing(
    client: redis.Redis, run_id: str, results_dir: Path
) -> None:
    """Garbled lines, an entry of another shape, a stream of nothing but rubbish: ingest goes on."""
    add_lines(client, run_id, rubbish=b"rubbish\n")
    client.xadd(records_stream(run_id), {"something": "else"})
    add_lines(client, run_id, 0, rubbish=b'{"v":99}\n')

    with Ingest(client, run=run_id, folder=results_dir / run_id) as ingest:
        ingest.drain()

    rejects = pl.read_ndjson(RunFolder(results_dir / run_id).rejects_path)
    assert (ingest.stored_lines, ingest.rejected_lines) == (1, 3)
    assert sorted(rejects["reason"]) == [
        "an entry without lines",
        "no JSON object of a line's types",
        "not of format 1",
    ]


def test_step_outside_of_the_lock_is_an_error(client: redis.Redis, results_dir: Path) -> None:
    """A caller's mistake, found at once."""
    with pytest.raises(RuntimeError, match="with"):
        Ingest(client, run="r1", folder=results_dir).step()
