"""Writing `.env`: secrets appear once, for their owner alone, beside the user's own lines."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lab.stack.dotenv import complete_dotenv
from poolbench.errors import StorageError
from poolbench.settings import read_dotenv


def mode_of(path: Path) -> int:
    """Return a file's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """The first `up` writes the secrets, mode 0600."""
    path = tmp_path / ".env"

    made = complete_dotenv(path, required={"A": "a", "B": "b"}, environ={})

    assert read_dotenv(path) == made
    assert made["B"] == "b"
    assert mode_of(path) == 0o600


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    """Secrets are made once and kept."""
    path = tmp_path / ".env"
    complete_dotenv(path, required={"A": "a"}, environ={})
    before = path.read_bytes()

    assert complete_dotenv(path, required={"A": "a"}, environ={}) == {}
    assert path.read_bytes() == before


def test_the_user_s_lines_are_kept(tmp_path: Path) -> None:
    """Values, comments and their order stay; what is missing comes after."""
    path = tmp_path / ".env"
    path.write_text("# mine\nPOOLBENCH_SLOTS_GEVENT=7\nA=chosen", encoding="utf-8")

    complete_dotenv(path, required={"A": "a", "B": "b"}, environ={})

    wanted = "# mine\nPOOLBENCH_SLOTS_GEVENT=7\nA=chosen\nB=b\n"
    assert path.read_text(encoding="utf-8") == wanted


def test_an_empty_value_is_filled_in_where_it_stands(tmp_path: Path) -> None:
    """A copy of .env.example with empty secrets becomes a working file."""
    path = tmp_path / ".env"
    path.write_text("A=\nC=3\n", encoding="utf-8")

    complete_dotenv(path, required={"A": "a"}, environ={})

    assert path.read_text(encoding="utf-8") == "A=a\nC=3\n"


def test_what_the_environment_holds_is_not_written(tmp_path: Path) -> None:
    """A secret handed in by the environment stays out of the file."""
    path = tmp_path / ".env"

    made = complete_dotenv(path, required={"A": "a"}, environ={"A": "from outside"})

    assert made == {}
    assert not path.exists()


@pytest.mark.parametrize("text", ["A=1\n", ""])
def test_a_readable_file_is_closed_to_others(tmp_path: Path, text: str) -> None:
    """Whatever mode it had, after `up` nobody else reads it."""
    path = tmp_path / ".env"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)

    complete_dotenv(path, required={"A": "a"}, environ={})

    assert mode_of(path) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A `.env` kept elsewhere is changed there."""
    target, link = tmp_path / "kept", tmp_path / ".env"
    target.write_text("A=1\n", encoding="utf-8")
    link.symlink_to(target)

    complete_dotenv(link, required={"B": "b"}, environ={})

    assert link.is_symlink()
    assert read_dotenv(target) == {"A": "1", "B": "b"}


def test_a_folder_that_is_missing_is_one_clear_error(tmp_path: Path) -> None:
    """What can't be kept is not made."""
    with pytest.raises(StorageError, match=r"\.env: "):
        complete_dotenv(tmp_path / "gone" / ".env", required={"A": "a"}, environ={})


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs nothing that was there. Patched: a full disk can't be had in a test."""
    path = tmp_path / ".env"
    path.write_text("A=1\n", encoding="utf-8")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("collector.files.os.fsync", refuse)
    with pytest.raises(StorageError, match="No space left"):
        complete_dotenv(path, required={"B": "b"}, environ={})

    assert path.read_text(encoding="utf-8") == "A=1\n"
    assert [entry.name for entry in tmp_path.iterdir()] == [".env"]
