"""The commands without a running stack: they report it, and do no harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.commands import stack
from lab.commands.main import app
from lab.stack.state import DOCKER, LOCAL, StackState, load_state, save_state, stack_lock
from poolbench.errors import ExitCode, StackError


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder, not made yet, of an empty checkout on a machine without Docker."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    for name in ("POOLBENCH_STATE_DIR", "POOLBENCH_RESULTS_DIR", "STACK"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / ".poolbench"


def run(*words: str) -> tuple[int, str]:
    """Run a command; return its exit code and all it printed. Our own errors are raised."""
    done = CliRunner().invoke(app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_nothing_up_is_no_error() -> None:
    """`down` may be called twice, and whoever looks gets an answer."""
    for command in ("down", "ps", "logs"):
        assert run(command)[0] == ExitCode.OK


def test_down_deletes_the_state_of_a_stack_that_is_gone(state_dir: Path) -> None:
    """After a reboot `down` removes what is left of it."""
    state_dir.mkdir()
    save_state(state_dir, state=StackState(kind=LOCAL, token="gone", settings={}))

    assert run("ps")[0] == ExitCode.STACK
    assert run("down")[0] == ExitCode.OK
    assert load_state(state_dir) is None


def test_containers_without_an_engine_can_not_be_judged(state_dir: Path) -> None:
    """Commands say why, and nothing is forgotten: the engine may start them again."""
    state_dir.mkdir()
    save_state(state_dir, state=StackState(kind=DOCKER, token="", settings={}))

    for command in ("up", "ps", "down"):
        with pytest.raises(StackError, match="started with Docker, and now there is no docker "):
            run(command)
    assert load_state(state_dir) is not None


def test_logs_are_shown_after_the_stack_is_down(state_dir: Path) -> None:
    """They are kept, since one looks at them when something has ended."""
    logs = state_dir / "logs"
    logs.mkdir(parents=True)
    (logs / "redis.log").write_text("one\ntwo\n", encoding="utf-8")

    assert run("logs", "redis", "--lines", "1") == (ExitCode.OK, "redis | two\n")


def test_docker_asked_for_and_absent_starts_nothing(state_dir: Path) -> None:
    """No other stack, no secrets, no state."""
    with pytest.raises(StackError, match="Docker was requested, but there is no docker command"):
        run("up", "--stack", "docker")

    assert not (state_dir.parent / ".env").exists()
    assert load_state(state_dir) is None


def test_up_waits_for_nobody(state_dir: Path) -> None:
    """While another command works on the stack, it ends with one line."""
    with stack_lock(state_dir), pytest.raises(StackError, match="is running"):
        run("up")
