"""The state that a stack keeps between commands."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lab.stack.state import (
    LOCAL,
    StackState,
    delete_state,
    load_state,
    save_state,
    stack_lock,
)
from poolbench.errors import StackError, StorageError

STATE = StackState(kind=LOCAL, token="abc", settings={"POOLBENCH_PREFETCH": "4"})


def test_a_saved_state_is_loaded_until_it_is_deleted(tmp_path: Path) -> None:
    """Before the first `up` there is no folder; `down` may be called twice."""
    assert load_state(tmp_path / "none") is None

    save_state(tmp_path, state=STATE)
    assert load_state(tmp_path) == STATE
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]

    for _ in range(2):
        delete_state(tmp_path)
        assert load_state(tmp_path) is None


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

    assert load_state(tmp_path) is None


def test_a_state_that_can_not_be_kept_is_one_clear_error(tmp_path: Path) -> None:
    """The folder is missing, or can't be made since a file has its name."""
    (tmp_path / "state").write_text("", encoding="utf-8")

    with pytest.raises(StorageError, match=r"stack\.json: "):
        save_state(tmp_path / "none", state=STATE)
    with pytest.raises(StorageError, match="state: "), stack_lock(tmp_path / "state"):
        pass


def test_two_commands_do_not_work_on_one_stack(tmp_path: Path) -> None:
    """The second `up` or `down` is told to wait; afterwards it may."""
    state_dir = tmp_path / "state"

    with (
        stack_lock(state_dir),
        pytest.raises(StackError, match="is running"),
        stack_lock(state_dir),
    ):
        pass
    with stack_lock(state_dir):
        pass

    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
