"""What ``poolbench record`` promises before it becomes the worker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from poolbench.errors import UsageError
from poolbench.recording.command import main, with_probe

WORKER = ("celery", "-A", "shop", "worker")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("celery -A worker worker -c 2", "celery -A worker worker -I poolbench.probe -c 2"),
        ("python -m celery worker", "python -m celery worker -I poolbench.probe"),
        ("manage.py celery worker -I a,b", "manage.py celery worker -I a,b,poolbench.probe"),
        ("celery worker --include=a -Ib", "celery worker --include=a -Ib,poolbench.probe"),
        ("celery worker --include a", "celery worker --include a,poolbench.probe"),
        ("celery worker -I poolbench.probe -B", "celery worker -I poolbench.probe -B"),
        ("su worker celery worker -c 2", "su worker celery worker -I poolbench.probe -c 2"),
        ("celery worker -- -I a", "celery worker -I poolbench.probe -- -I a"),
    ],
)
def test_the_probe_joins_what_the_worker_imports(command: str, expected: str) -> None:
    """Celery uses the last -I, so the probe is merged into that one."""
    assert " ".join(with_probe(command.split())) == expected


@pytest.mark.parametrize("command", ["", "celery -A worker", "celery -A shop beat"])
def test_a_command_without_a_worker_is_refused(command: str) -> None:
    """The value of -A is no command."""
    with pytest.raises(UsageError, match="no worker in the command"):
        with_probe(command.split())


@pytest.mark.parametrize(
    "words",
    [
        ("--to", "{there}", "--", *WORKER),
        ("--to", "{folder}/none/shop.pbrec", "--", *WORKER),
        ("--to", "{folder}", "--", *WORKER),
        ("--to", "{folder}/shop.pbrec", "--max-size", "1", "--", *WORKER),
        ("--to", "{folder}/shop.pbrec", "--for", "x", "--", *WORKER),
        ("--to", "{folder}/shop.pbrec", "--", "celery", "-A", "shop"),
        ("--to", "{folder}/shop.pbrec", "--", "{folder}/no-celery", "worker"),
        ("--to", "{folder}/shop.pbrec"),
        ("--", *WORKER),
        ("--unknown",),
    ],
)
def test_a_usage_error_is_one_line_and_starts_nothing(
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, and no file."""
    for name in ("POOLBENCH_RECORD", "POOLBENCH_RECORD_MAX_SIZE", "POOLBENCH_RECORD_FOR"):
        monkeypatch.setenv(name, "")
    there = tmp_path / "there.pbrec"
    there.touch()
    assert main([word.format(folder=tmp_path, there=there) for word in words]) == 2

    message = capsys.readouterr().err
    assert message.startswith("poolbench record: ")
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == [there]


def test_a_variable_that_no_option_replaces_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker would start without a recording."""
    monkeypatch.setenv("POOLBENCH_RECORD", "")
    monkeypatch.setenv("POOLBENCH_RECORD_MAX_SIZE", "huge")
    assert main(["--to", str(tmp_path / "shop.pbrec"), *WORKER]) == 2
    assert "POOLBENCH_RECORD_MAX_SIZE = 'huge' is invalid" in capsys.readouterr().err


def test_it_becomes_the_worker_with_the_settings_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is absolute, since a worker may change its folder."""
    ran: list[list[str]] = []
    # patched, since this process must stay
    monkeypatch.setattr(os, "execvp", lambda _file, words: ran.append(words))
    monkeypatch.chdir(tmp_path)
    names = ("", "_MAX_SIZE", "_FOR", "_GIL_PROBE", "_LANES")
    for name in names:
        monkeypatch.setenv(f"POOLBENCH_RECORD{name}", "")
    options = ["--to", "shop.pbrec", "--max-size", "1GB", "--for", "10m"]
    switches = ["--gil-probe", "--lanes"]
    assert main([*options, *switches, *WORKER, "-c", "2"]) == 0

    assert ran == [[*WORKER, "-I", "poolbench.probe", "-c", "2"]]
    values = [os.environ[f"POOLBENCH_RECORD{name}"] for name in names]
    assert values == [str(tmp_path / "shop.pbrec"), "1GB", "10m", "1", "1"]
