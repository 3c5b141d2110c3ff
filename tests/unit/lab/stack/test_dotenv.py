"""Writing `.env`: secrets appear once, for their owner alone, beside the user's own lines."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lab.stack.dotenv import complete_dotenv
from poolbench.errors import StorageError
from poolbench.settings import read_dotenv


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file belongs."""
    return tmp_path / ".env"


def mode_of(path: Path) -> int:
    """Return a file's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_file_is_made_once_for_its_owner_alone(path: Path) -> None:
    """The first `up` writes the secrets, mode 0600, and the next one keeps them."""
    required = {"A": "a", "B": "b"}

    made = complete_dotenv(path, required=required, environ={})
    assert read_dotenv(path) == made
    assert made["B"] == "b"
    assert mode_of(path) == 0o600

    before = path.read_bytes()
    assert complete_dotenv(path, required=required, environ={}) == {}
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# mine\nSLOTS=7\nA=chosen", "# mine\nSLOTS=7\nA=chosen\nB=b\n"),
        ("B=\nA=3\n", "B=b\nA=3\n"),
    ],
    ids=["missing", "empty"],
)
def test_the_user_s_lines_are_kept(path: Path, before: str, after: str) -> None:
    """What is missing comes after them; an empty value is filled in where it is."""
    path.write_text(before, encoding="utf-8")

    complete_dotenv(path, required={"A": "a", "B": "b"}, environ={})

    assert path.read_text(encoding="utf-8") == after


def test_what_the_environment_holds_is_not_written(path: Path) -> None:
    """A secret handed in by the environment stays out of the file."""
    made = complete_dotenv(path, required={"A": "a"}, environ={"A": "from outside"})

    assert made == {}
    assert not path.exists()


@pytest.mark.parametrize("text", ["A=1\n", ""])
def test_a_readable_file_is_closed_to_others(path: Path, text: str) -> None:
    """Whatever mode it had, after `up` nobody else reads it."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)

    complete_dotenv(path, required={"A": "a"}, environ={})

    assert mode_of(path) == 0o600


def test_a_link_stays_a_link(path: Path) -> None:
    """A `.env` kept elsewhere is changed there."""
    target = path.with_name("kept")
    target.write_text("A=1\n", encoding="utf-8")
    path.symlink_to(target)

    complete_dotenv(path, required={"B": "b"}, environ={})

    assert path.is_symlink()
    assert read_dotenv(target) == {"A": "1", "B": "b"}


def test_a_folder_that_is_missing_is_one_clear_error(path: Path) -> None:
    """What can't be kept is not made."""
    with pytest.raises(StorageError, match=r"\.env: "):
        complete_dotenv(path.parent / "gone" / ".env", required={"A": "a"}, environ={})


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs nothing that was there. Patched: a full disk can't be had in a test."""
    path.write_text("A=1\n", encoding="utf-8")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("collector.files.os.fsync", refuse)
    with pytest.raises(StorageError, match="No space left"):
        complete_dotenv(path, required={"B": "b"}, environ={})

    assert path.read_text(encoding="utf-8") == "A=1\n"
    assert [entry.name for entry in path.parent.iterdir()] == [".env"]
