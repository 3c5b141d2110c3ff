"""Checks, before anything starts, that the stack can start: disk, broker, ports."""

from __future__ import annotations

import errno
import shlex
import shutil
import socket
from collections.abc import Sequence

import psutil

from collector.files import make_folder, storage_errors
from lab.stack.health import redis_problem
from lab.stack.services import Notify, Service, broker_password, stack_services, starts_broker
from poolbench.errors import Fault, StackError, StorageError
from poolbench.settings import Settings

#: Free space that a start needs for logs, the broker's data and first results, bytes.
FREE_SPACE_MIN_BYTES = 50_000_000

_COMMAND_MAX_CHARS = 60


def check_start(settings: Settings, *, notify: Notify) -> None:
    """Check the disk, the broker and the ports.

    Raises:
        StorageError: if a folder can't be written to or has too little space.
        UsageError: if the broker's password can't be used.
        StackError: if a broker that the settings name can't be used, or a port is taken.
    """
    check_disk(settings)
    if starts_broker(settings):
        broker_password(settings)
    else:
        problem = redis_problem(settings)
        if problem:
            raise StackError(f"the broker named by the settings can't be used: {problem}")
        notify(f"broker: {settings.redis_address}, from the settings; the stack starts none")
    check_ports(stack_services(settings))


def check_disk(settings: Settings) -> None:
    """Check that the stack has space to write.

    Raises:
        StorageError: if a folder has too little space, or can't be written to.
    """
    for folder in (settings.state_dir, settings.results_dir):
        make_folder(folder)
        with storage_errors(folder):
            free_bytes = shutil.disk_usage(folder).free
        if free_bytes < FREE_SPACE_MIN_BYTES:
            free_mb, min_mb = free_bytes // 1_000_000, FREE_SPACE_MIN_BYTES // 1_000_000
            raise StorageError(f"{folder} has {free_mb} MB left: the stack needs {min_mb} MB")


def check_ports(services: Sequence[Service]) -> None:
    """Check that every service's port is free on 127.0.0.1.

    Raises:
        StackError: with a line for each port that isn't, and what listens there if that is known.
    """
    faults = []
    service_at: dict[int, str] = {}
    for service in services:
        if service.port is None:
            continue
        other = service_at.get(service.port)
        problem = f"{other} uses this port too" if other else port_problem(service.port)
        service_at[service.port] = service.name
        if problem:
            variable = f"POOLBENCH_{service.name.upper()}_PORT"
            faults.append(
                Fault(field=variable, seen=str(service.port), problem=problem, remedy="change it")
            )
    if faults:
        raise StackError("\n".join(map(str, faults)))


def port_problem(port: int) -> str:
    """Return why a service can't listen on 127.0.0.1 at a port; empty if it can."""
    with socket.socket() as probe:
        # as servers do: a port that is in TIME_WAIT counts as free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"{_listener(port)} listens there"
            return f"this port can't be used ({error.strerror})"
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
        pass  # this user may not see it
    return "another program"
