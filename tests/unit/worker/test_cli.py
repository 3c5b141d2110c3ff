"""The worker's command line, up to the moment it becomes Celery."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from poolbench.errors import ExitCode
from worker import cli, gauge


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the checkout's own .env and variables out."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("POOLBENCH_")]:
        monkeypatch.delenv(name)


def test_the_command_can_be_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    """--print-command shows what would run, and runs nothing."""
    asked = "--pool gevent --slots 7 --events --contender mine --log-level INFO --print-command"

    code = cli.main(asked.split())

    assert code == ExitCode.OK
    words = capsys.readouterr().out.split()
    assert words[1:7] == ["-m", "celery", "-A", "worker.app", "worker", "-P"]
    assert {"gevent", "7", "poolbench.mine", "-E", "info"} <= set(words)


def test_arguments_after_two_dashes_are_celery_s(capsys: pytest.CaptureFixture[str]) -> None:
    """They come last, and none of them is read here."""
    cli.main(["--pool", "solo", "--print-command", "--", "--autoscale", "8,1", "--pool"])

    assert capsys.readouterr().out.split()[-3:] == ["--autoscale", "8,1", "--pool"]


MISTAKES = [
    ([], "the following arguments are required: --pool. See --help."),
    (["--pool", "gevnt"], "--pool = gevnt is invalid: unknown pool. Did you mean gevent?"),
    (["--pool", "solo", "--slts", "1"], "unrecognized arguments: --slts 1. See --help."),
    (["guage"], "command = guage is invalid: unknown command. Did you mean gauge?"),
    (
        ["--pool", "solo", "--prefetch-multiplier", "-1"],
        "--prefetch-multiplier = -1 is invalid: must be a whole number from 0 to 1000.",
    ),
    (["gauge", "now"], "unrecognized arguments: now. See --help."),
    (
        ["calibrate", "cpu.prime"],
        "kind = cpu.prime is invalid: unknown kind with units. Did you mean cpu.primes?",
    ),
    (
        ["calibrate", "cpu.primes", "--publish"],
        "--publish is invalid: needs all kinds. Leave out the kinds, or --publish.",
    ),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES)
def test_a_mistake_is_one_line_and_code_two(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No usage text, no traceback; nothing is started."""
    assert cli.main(words) == ExitCode.USAGE
    assert capsys.readouterr().err == f"worker: {said}\n"


def test_a_broken_setting_is_told_before_anything_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable out of bounds is refused by name."""
    monkeypatch.setenv("POOLBENCH_PREFETCH", "many")

    assert cli.main(["--pool", "solo"]) == ExitCode.USAGE
    assert (
        "POOLBENCH_PREFETCH = 'many' is invalid: must be a whole number" in capsys.readouterr().err
    )


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The pools and both measuring commands are named."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])

    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(word in text for word in ("prefork", "gevent", "worker gauge", "calibrate"))


def test_calibration_is_for_machines_or_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same figures as JSON, or as a line each with its unit."""
    costs = {"cpu.primes": 0.00125}
    monkeypatch.setattr(gauge, "calibrate", lambda _: costs)

    assert cli.main(["calibrate", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == costs
    assert cli.main(["calibrate"]) == ExitCode.OK
    assert capsys.readouterr().out == "cpu.primes: 1.250 ms of CPU a unit\n"


def test_ctrl_c_ends_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is an interrupt's, without a traceback."""

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gauge, "calibrate", interrupt)

    assert cli.main(["calibrate"]) == ExitCode.INTERRUPTED
