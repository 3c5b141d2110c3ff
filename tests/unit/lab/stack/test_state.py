"""What a stack's folder remembers between commands."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lab.stack.state import DOCKER, LOCAL, Memory, forget, held, recall, remember
from poolbench.errors import StackError, StorageError

MEMORY = Memory(kind=LOCAL, token="abc", settings={"POOLBENCH_PREFETCH": "4"})


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    """A later command knows which stack is up."""
    remember(tmp_path, memory=MEMORY)

    assert recall(tmp_path) == MEMORY
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    """After `down` nothing is up, also when it is called twice."""
    remember(tmp_path, memory=Memory(kind=DOCKER, token="", settings={}))

    forget(tmp_path)
    forget(tmp_path)

    assert recall(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": 2, "kind": "local", "token": "", "settings": {}}',
        '{"format": 1, "kind": "swarm", "token": "", "settings": {}}',
        '{"format": 1, "kind": "local"}',
        '{"format": 1, "kind": "local", "token": "", "settings": {}, "more": 1}',
    ],
)
def test_a_garbled_file_counts_as_none(tmp_path: Path, text: str) -> None:
    """A file cut by a crash, or of another version, stops no command."""
    (tmp_path / "stack.json").write_text(text, encoding="utf-8")

    assert recall(tmp_path) is None


def test_a_folder_that_is_missing_remembers_nothing(tmp_path: Path) -> None:
    """Before the first `up` there is no folder."""
    assert recall(tmp_path / "none") is None


def test_memory_that_can_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """A state that can't be kept is told, not lost."""
    with pytest.raises(StorageError, match=r"can't write .*stack\.json"):
        remember(tmp_path / "none", memory=MEMORY)


def test_two_commands_do_not_work_on_one_stack(tmp_path: Path) -> None:
    """The second `up` or `down` is told to wait; afterwards it may."""
    state_dir = tmp_path / "state"

    with held(state_dir), pytest.raises(StackError, match="at work"), held(state_dir):
        pass
    with held(state_dir):
        pass

    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700


def test_a_state_folder_that_can_not_be_made_is_one_clear_error(tmp_path: Path) -> None:
    """A file stands where the folder should."""
    (tmp_path / "state").write_text("", encoding="utf-8")

    with pytest.raises(StorageError, match="can't write to"), held(tmp_path / "state"):
        pass
