"""Finds out, before anything starts, who listens where the stack wants to."""

from __future__ import annotations

import errno
import shlex
import socket
from collections.abc import Sequence

import psutil

from lab.stack.services import Service
from poolbench.errors import StackError

_COMMAND_MAX_CHARS = 60


def check_ports(definitions: Sequence[Service]) -> None:
    """Make sure that every service's port is free on 127.0.0.1.

    Raises:
        StackError: with a line for each that isn't, and what listens there if that can be told.
    """
    faults = []
    taken: dict[int, str] = {}
    for service in definitions:
        if service.port is None:
            continue
        if service.port in taken:
            trouble = f"{taken[service.port]} is to listen there too"
        else:
            trouble = port_trouble(service.port)
        taken[service.port] = service.name
        if trouble:
            variable = f"POOLBENCH_{service.name.upper()}_PORT"
            faults.append(
                f"port {service.port} of {service.name}: {trouble}; set {variable} to another"
            )
    if faults:
        raise StackError("\n".join(faults))


def port_trouble(port: int) -> str:
    """Return why a service can't listen on 127.0.0.1 at a port, or an empty string."""
    with socket.socket() as probe:
        # as servers do: a port that merely rests after a close counts as free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"{_listener(port)} listens there"
            return f"it can't be used ({error.strerror})"
    return ""


def _listener(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            # an address is a pair where the socket has one, and else an empty tuple
            is_listening = connection.status == psutil.CONN_LISTEN
            if is_listening and port in connection.laddr and connection.pid:
                words = shlex.join(psutil.Process(connection.pid).cmdline())
                return f"{words[:_COMMAND_MAX_CHARS]!r} (pid {connection.pid})"
    except psutil.Error:
        pass  # not told to this user
    return "another program"
