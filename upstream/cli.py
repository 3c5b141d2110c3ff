"""The command line of upstream: one listening socket, one process, no access log."""

from __future__ import annotations

import argparse
import asyncio
import resource
import signal
import socket
import sys
from collections.abc import Sequence

import uvicorn

from poolbench.arguments import Parser, number, run
from poolbench.errors import ExitCode, StackError
from poolbench.settings import MAX_PORT, load_settings
from upstream.service import Service

#: Most connections that wait to be accepted; Linux limits it to somaxconn.
BACKLOG = 8_192

#: Requested limit of open files, if the soft limit is lower: enough for 5,000 concurrent requests.
OPEN_FILES = 16_384

#: Timeout of an idle connection, seconds. It is longer than in clients' pools, so that none is
#: closed while a client sends a request.
KEEP_ALIVE_S = 75

#: Time that a stop waits for answers that a client doesn't read, seconds.
STOP_TIMEOUT_S = 1


class Server(uvicorn.Server):
    """Uvicorn's server; ends the waiting requests when it is stopped."""

    def __init__(self, config: uvicorn.Config, *, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the address."""
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            sys.stderr.write(f"upstream: listening on http://{host}:{port}\n")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer the waiting requests with 503, then close.

        Uvicorn itself would wait for the requests, and log a traceback for each that it cancels.
        """
        self._service.waits.stop()
        await super().shutdown(sockets)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit code."""
    # uvicorn raises a handled signal again, which would end this process as killed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.OK))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(ExitCode.INTERRUPTED))
    return run(_run, argv, program="upstream")


def _run(argv: Sequence[str] | None) -> int:
    options = _parse(argv)
    raise_open_files_limit(OPEN_FILES)
    serve(listen(options.host, port=options.port))
    return ExitCode.OK


def listen(host: str, *, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        StackError: if the port is taken or the address is not one of this host.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # accepted sockets inherit it; asyncio sets it only if a socket's protocol number is known,
        # and without it each answer would wait 40 ms for a delayed acknowledgement
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise StackError(
            f"can't listen on {host}:{port}: {reason}. Stop what listens there, "
            "or set another port with --port or POOLBENCH_UPSTREAM_PORT."
        ) from error
    return listener


def serve(listener: socket.socket) -> None:
    """Answer requests on ``listener`` until a signal ends it."""
    service = Service()
    config = uvicorn.Config(
        service,
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    asyncio.run(Server(config, service=service).serve(sockets=[listener]))


def raise_open_files_limit(wanted: int) -> None:
    """Raise this process's soft limit of open files to ``wanted``, or to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m upstream",
        description="Serves GET /wait and /json, both with ?delay_ms=&size_bytes=&tail_sigma="
        "&failure_share=&seed=, and /ceiling and /health, until it is stopped.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="listen on this address")
    parser.add_argument(
        "--port",
        type=number(int, option="--port", low=0, high=MAX_PORT),
        help="listen on this port, 0 for a free one; default: POOLBENCH_UPSTREAM_PORT",
    )
    options = parser.parse_args(argv)
    if options.port is None:
        options.port = load_settings().upstream_port
    return options
