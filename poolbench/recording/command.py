"""The command ``poolbench record``: runs a worker with the probe, which records into a local file.

It is in the wheel, so it uses click, which Celery brings along.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from poolbench.errors import ExitCode, Fault, UsageError
from poolbench.recording.settings import (
    DURATION,
    GIL_PROBE,
    LANES,
    MAX_SIZE,
    RECORD,
    load_recording_settings,
    read_duration_s,
    read_size_bytes,
)

#: The module that ``celery worker -I`` imports.
PROBE = "poolbench.probe"

#: Options of ``celery`` before its command that have a value, which may be ``worker`` too.
_CELERY_OPTIONS = frozenset(
    {"-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config", "--workdir"}
)

_INCLUDE = ("-I", "--include")


@click.command(
    name="record",
    context_settings={"allow_interspersed_args": False, "help_option_names": ["--help"]},
    help="""Run a Celery worker and record what its jobs do into a local file.

    COMMAND is the worker's own command line. It runs unchanged, with the probe imported in
    addition, and replaces this process. The file contains no arguments, results or addresses.
    """,
)
@click.option("--to", "path", metavar="FILE", required=True, help="Write the recording here.")
@click.option(
    "--max-size",
    metavar="SIZE",
    help="Drop the oldest part beyond this size, such as 200MB, the default.",
)
@click.option(
    "--for",
    "duration",
    metavar="TIME",
    help="End the recording after this time, such as 10m; the worker continues.",
)
@click.option(
    "--gil-probe",
    is_flag=True,
    help="Measure in a helper thread whether jobs hold the GIL, where that can't be seen.",
)
@click.option(
    "--lanes",
    is_flag=True,
    help="Record what each slot did when, for a picture; this samples four times as often.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND")
def record(
    *,
    path: str,
    max_size: str | None,
    duration: str | None,
    gil_probe: bool,
    lanes: bool,
    command: tuple[str, ...],
) -> None:
    """Check everything, and become the worker.

    Raises:
        UsageError: if anything is invalid; nothing was started.
    """
    if max_size is not None:
        read_size_bytes(max_size, "--max-size")
        os.environ[MAX_SIZE] = max_size
    if duration is not None:
        read_duration_s(duration, "--for")
        os.environ[DURATION] = duration
    if gil_probe:
        os.environ[GIL_PROBE] = "1"
    if lanes:
        os.environ[LANES] = "1"
    words = with_probe(command)
    os.environ[RECORD] = str(_checked(Path(path)))
    # variables that no option replaces
    load_recording_settings()
    try:
        os.execvp(words[0], words)  # noqa: S606 -- the user's own command
    except OSError as error:
        raise UsageError(
            Fault(where=words[0], problem=f"the command can't be run: {error.strerror}")
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return an exit code if it doesn't become the worker."""
    try:
        record.main(args=argv, prog_name="poolbench record", standalone_mode=False)
    except click.ClickException as error:
        sys.stderr.write(f"poolbench record: {error.format_message()} See --help.\n")
        return ExitCode.USAGE
    except UsageError as error:
        sys.stderr.writelines(f"poolbench record: {fault}\n" for fault in error.faults)
        return ExitCode.USAGE
    return ExitCode.OK


def with_probe(command: Sequence[str]) -> list[str]:
    """Return the command line of a worker that imports the probe too.

    Raises:
        UsageError: if it starts no worker.
    """
    words = list(command)
    place = _worker_place(words)
    end = words.index("--", place) if "--" in words[place:] else len(words)
    # Celery uses the last one
    for index in range(end - 1, place, -1):
        word = words[index]
        if word in _INCLUDE and index + 1 < end:
            words[index + 1] = _merged(words[index + 1])
            return words
        if word.startswith("--include=") or (word.startswith("-I") and len(word) > 2):
            option = "--include=" if word.startswith("--") else "-I"
            words[index] = option + _merged(word.removeprefix(option))
            return words
    return [*words[: place + 1], "-I", PROBE, *words[place + 1 :]]


def _merged(modules: str) -> str:
    return modules if PROBE in modules.split(",") else f"{modules},{PROBE}"


def _worker_place(words: Sequence[str]) -> int:
    """Return the index of Celery's command ``worker``."""
    # a command before it may have the word too: sudo -u worker celery worker
    start = next((at for at, word in enumerate(words) if Path(word).name == "celery"), 0)
    for index, word in enumerate(words[start:], start):
        if word == "worker" and (index == 0 or words[index - 1] not in _CELERY_OPTIONS):
            return index
    raise UsageError(
        Fault(
            problem="no worker in the command",
            seen=" ".join(words) or "it is empty",
            remedy="write celery -A APP worker after --, or set POOLBENCH_RECORD",
        )
    )


def _checked(path: Path) -> Path:
    """Return the absolute path of a file that can be created."""
    path = path.absolute()
    problem, remedy = "", ""
    if path.exists():
        problem, remedy = "it exists", "choose another name, or remove it"
    elif not path.parent.is_dir():
        problem, remedy = "its folder doesn't exist", "create the folder"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        problem, remedy = "its folder can't be written", "choose another folder"
    if problem:
        raise UsageError(Fault(field="--to", seen=str(path), problem=problem, remedy=remedy))
    return path
