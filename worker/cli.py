"""The command line of a worker. Slow modules are imported only by the commands that need them."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from typing import Any

from poolbench.arguments import Parser, number, run
from poolbench.errors import ExitCode, Fault, UsageError, unknown
from poolbench.keys import CALIBRATION
from poolbench.pools import MAX_SLOTS, POOLS, find_pool
from poolbench.settings import VARIABLES, load_settings
from poolbench.start import EXECUTED_NS
from worker.launch import LOG_LEVELS, UNSET, plan_launch


def main(argv: Sequence[str] | None = None) -> int:
    """Replace this process by a worker, or run a command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    return run(_run, words, program="worker")


def _run(words: list[str]) -> int:
    commands = {"gauge": _gauge, "calibrate": _calibrate, "interpreter": _interpreter}
    if not words or words[0].startswith("-"):
        at = words.index("--") if "--" in words else len(words)
        options = vars(_parser().parse_args(words[:at]))
        return _start(**options, arguments=words[at + 1 :])
    if words[0] not in commands:
        raise UsageError(unknown("command", field="command", seen=words[0], among=commands))
    return commands[words[0]](words[1:])


def _start(*, print_command: bool, **options: Any) -> int:
    launch = plan_launch(load_settings(), **options)
    command = launch.command()
    if not print_command:
        environment = launch.environment(os.environ) | {EXECUTED_NS: str(time.time_ns())}
        os.execvpe(command[0], command, environment)  # noqa: S606 -- its purpose
    sys.stdout.write(shlex.join(command) + "\n")
    return ExitCode.OK


def _gauge(words: list[str]) -> int:
    text = 'Answers each line {"kind", "parameters"} on standard input with CPU-seconds per job.'
    Parser(prog="python -m worker gauge", description=text).parse_args(words)
    from worker import gauge  # noqa: PLC0415 -- a worker's start must not wait for httpx

    gauge.answer_requests(sys.stdin, answers=sys.stdout)
    return ExitCode.OK


def _calibrate(words: list[str]) -> int:
    text = "Measures the CPU time of a unit of work in one thread."
    parser = Parser(prog="python -m worker calibrate", description=text)
    parser.add_argument("kind", nargs="*", help="measure these job kinds; default: all with units")
    parser.add_argument("--json", action="store_true", help="print JSON, kind to CPU-seconds")
    parser.add_argument(
        "--publish", action="store_true", help="store it in Redis, for producers with work_ms"
    )
    options = parser.parse_args(words)
    from worker import gauge  # noqa: PLC0415 -- as above

    for kind in options.kind:
        if kind not in gauge.CALIBRATED:
            raise UsageError(
                unknown("kind with units", field="kind", seen=kind, among=gauge.CALIBRATED)
            )
    if options.kind and options.publish:
        remedy = "leave out the kinds, or --publish"
        raise UsageError(Fault(field="--publish", problem="needs all kinds", remedy=remedy))
    found = gauge.calibrate(options.kind or gauge.CALIBRATED)
    if options.publish:
        from poolbench.broker_client import open_broker  # noqa: PLC0415 -- as above

        with open_broker(load_settings()) as client:
            client.set(CALIBRATION, json.dumps(found))
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for kind, cpu_s in found.items():
            sys.stdout.write(f"{kind}: {cpu_s * 1_000:.3f} ms of CPU a unit\n")
    return ExitCode.OK


def _interpreter(words: list[str]) -> int:
    text = "Imports what a worker imports, and prints the state of this Python's GIL."
    parser = Parser(prog="python -m worker interpreter", description=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--no-gil", action="store_true", help="exit with 2 if the GIL is on")
    options = parser.parse_args(words)
    from worker import interpreter  # noqa: PLC0415 -- as above

    found = interpreter.describe()
    if options.no_gil:
        interpreter.refuse_gil(found)
    sys.stdout.write((json.dumps(found) if options.json else interpreter.in_words(found)) + "\n")
    return ExitCode.OK


def _slots(word: str) -> int | str:
    return UNSET if word == UNSET else number(int, option="--slots", low=1, high=MAX_SLOTS)(word)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m worker",
        description="Runs jobs in one of Celery's pools. Arguments after -- are passed to Celery.",
        epilog="Without Celery: `python -m worker gauge` and `python -m worker calibrate`.",
    )
    add = parser.add_argument
    text = f"run jobs in this pool: {', '.join(POOLS)}"
    add("--pool", type=find_pool, required=True, metavar="POOL", help=text)
    add("--contender", help="name the contender, and its queue; default: the pool's name")
    add(
        "--slots",
        type=_slots,
        help=f"number of jobs to run at once; {UNSET} leaves it to Celery; default: "
        "POOLBENCH_SLOTS_<POOL>",
    )
    low, high = VARIABLES["POOLBENCH_PREFETCH"].bounds or (1, 1)
    add(
        "--prefetch-multiplier",
        type=number(int, option="--prefetch-multiplier", low=low, high=high),
        metavar="N",
        help="number of messages to reserve for each slot; default: POOLBENCH_PREFETCH",
    )
    switch = argparse.BooleanOptionalAction
    add("--acks-late", action=switch, help="acknowledge after a job; default: POOLBENCH_ACKS_LATE")
    add(
        "--results",
        dest="stores_results",
        action=switch,
        help="store results; default: POOLBENCH_RESULTS",
    )
    add(
        "--events",
        dest="has_events",
        action=switch,
        default=False,
        help="send Celery's events, for Flower; they halve the throughput of no-ops",
    )
    add(
        "--log-level",
        default="warning",
        type=str.lower,
        choices=LOG_LEVELS,
        help="set the log level; default: warning",
    )
    add(
        "--queue",
        dest="queues",
        action="append",
        default=[],
        metavar="NAME",
        help="consume this queue of the contender; repeat it for several; default: its only one",
    )
    add(
        "--instance",
        default="",
        metavar="NAME",
        help="distinguish this worker from the contender's others: a number, or group:number",
    )
    for feature, text in (
        ("gossip", "exchange messages with other workers"),
        ("mingle", "ask other workers for their state at the start"),
        ("heartbeat", "send Celery's heartbeat events, as --events does too"),
    ):
        add(f"--{feature}", dest=f"has_{feature}", action="store_true", help=text)
    add("--print-command", action="store_true", help="print the celery command and exit")
    return parser
