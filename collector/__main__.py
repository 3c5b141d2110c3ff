"""`python -m collector`: the service that stores a running stack's records in its results."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from collector.files import make_folder
from collector.service import STALL_S, Service
from poolbench.arguments import Parser, number, run
from poolbench.errors import ExitCode
from poolbench.settings import Settings, load_settings

#: Timeout of a stop, seconds. Nothing is lost at the timeout: an incomplete part is not kept, and
#: its lines are still in the stream.
STOP_S = 1.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit code."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    return run(_run, arguments, program="collector")


def _run(arguments: Sequence[str] | None) -> int:
    settings = load_settings()
    options = _parse(arguments, settings=settings)
    make_folder(options.results)
    with _connect(settings) as client:
        service = Service(
            client,
            results_dir=options.results,
            address=settings.redis_address,
            stall_s=options.stall_after,
            heartbeat_file=settings.heartbeat_file,
        )
        _stop_on_signals(service)
        service.serve()
    return ExitCode.OK


def _parse(arguments: Sequence[str] | None, *, settings: Settings) -> argparse.Namespace:
    parser = Parser(prog="python -m collector", description=__doc__)
    parser.add_argument(
        "--results",
        type=Path,
        default=settings.results_dir,
        metavar="DIR",
        help="write the runs' folders into DIR (default: %(default)s)",
    )
    parser.add_argument(
        "--stall-after",
        type=number(float, option="--stall-after", low=0.001, high=86_400),
        default=STALL_S,
        metavar="SECONDS",
        help="mark a run with missing jobs as stalled after this number of seconds without a line, "
        "in addition to the duration of its jobs (default: %(default)g)",
    )
    return parser.parse_args(arguments)


def _connect(settings: Settings) -> redis.Redis:
    """Return a client with short timeouts; the service itself waits for the broker and logs it."""
    return redis.Redis.from_url(
        settings.redis_url,
        decode_responses=True,
        # undecodable bytes in one of our keys must not stop the service
        encoding_errors="backslashreplace",
        socket_timeout=10.0,
        socket_connect_timeout=2.0,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
    )


def _stop_on_signals(service: Service) -> None:
    def stop(*_: object) -> None:
        service.stop()
        deadline = threading.Timer(STOP_S, os._exit, args=(int(ExitCode.OK),))
        deadline.daemon = True
        deadline.start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


if __name__ == "__main__":
    sys.exit(main())
