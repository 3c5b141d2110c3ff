"""Configures supervisord for the local stack, and calls it over its UNIX socket."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from lab.stack.health import Status
from lab.stack.services import LOG_FILES, LOG_MAX_MB, Service
from lab.system.commands import run_command
from poolbench.errors import StackError

#: How long supervisord may take to answer a call, seconds. It waits for nothing in our calls.
_CALL_TIMEOUT_S = 10.0

# Paths are relative to the state folder, where supervisord starts, or come from the environment:
# its parser reads ` ;` and ` #` in a path as a comment, and expands the `%` of a log's path twice.
# Secrets are passed in the environment and are not in this file.
_HEAD = """\
; written by `poolbench up`
[supervisord]
logfile=logs/supervisord.log
logfile_maxbytes={log_max_mb}MB
logfile_backups={log_backups}
pidfile=supervisord.pid
umask={umask:03o}
identifier=poolbench
nocleanup=true
{user}

[unix_http_server]
file=%(ENV_POOLBENCH_SOCKET)s
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# A service that ends within startsecs has failed to start: it is started startretries times more
# before its state is FATAL.
# killasgroup ends a worker's children too, but not its recorder, which has a session of its own: it
# ends when it has sent the last line.
_PROGRAM = """
[program:{name}]
command="%(ENV_POOLBENCH_PYTHON)s" -m {command}
directory=%(ENV_POOLBENCH_ROOT)s
environment=POOLBENCH_HEARTBEAT_FILE="%(ENV_POOLBENCH_STATE_DIR)s/heartbeats/{name}"
autostart=false
autorestart=true
startsecs=5
startretries=2
stopwaitsecs={stop_s}
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes={log_max_mb}MB
stdout_logfile_backups={log_backups}
"""


#: States that aren't supervisord's own in lower case.
_STATES = {
    "STARTING": "running",  # supervisord waits for a fixed time; the health check is more precise
    "BACKOFF": "starting",
    "EXITED": "starting",
    "FATAL": "failed",
}


def configuration(services: Sequence[Service]) -> str:
    """Return supervisord's configuration for these services; it has no secrets and no paths."""
    sizes = {"log_max_mb": LOG_MAX_MB, "log_backups": LOG_FILES - 1}
    umask = os.umask(0o022)
    os.umask(umask)
    # only root must name a user; the uid of another may have no name, as in a container
    user = "user=root" if os.getuid() == 0 else ""
    head = _HEAD.format(umask=umask, user=user, **sizes)
    return head + "".join(
        _PROGRAM.format(
            name=service.name,
            command=" ".join(service.command),
            stop_s=service.stop_s,
            **sizes,
        )
        for service in services
    )


def socket_folder(token: str) -> Path:
    """Return the folder of a stack's socket.

    Its path is short, since macOS limits a UNIX socket's path to 104 bytes, and secret until it
    is created, since it comes from the stack's token.
    """
    return Path("/tmp") / f"poolbench-{token[:12]}"  # noqa: S108 -- a new folder of mode 0700


class Supervisor:
    """Calls a supervisord over its socket."""

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path

    def start(self, *, config: Path, environment: Mapping[str, str]) -> None:
        """Start it as a daemon in the folder of its configuration; return when it answers.

        Raises:
            StackError: if it doesn't start, with its message.
        """
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        done = run_command(command, environment=environment, folder=config.parent)
        if done.returncode != 0:
            printed = f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
            lines = printed.strip().splitlines()
            reason = next((line for line in lines if line.startswith("Error")), lines[-1])
            raise StackError(f"supervisord did not start: {reason}")
        # supervisord listens before it becomes a daemon, so this call waits in the socket's queue
        self.states()

    def states(self) -> dict[str, Status]:
        """Return every service's state, by name, with supervisord's reason if it can't start."""
        return {
            info["name"]: Status(
                name=info["name"],
                state=_STATES.get(info["statename"], info["statename"].lower()),
                pid=info["pid"] or None,
                uptime_s=info["now"] - info["start"] if info["pid"] else None,
                problem="" if info["pid"] else info["spawnerr"],
            )
            for info in self._call("getAllProcessInfo")
        }

    def request(self, method: str, name: str) -> None:
        """Start or stop a service, by ``startProcess`` or ``stopProcess``, without waiting."""
        # a service that is already in that state, or fails at once, shows it in `states`
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call(method, name, False)

    def _call(self, method: str, *arguments: str | bool) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self.socket_path}")
        # supervisor's transport sets no timeout of its own
        default_timeout_s = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_CALL_TIMEOUT_S)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise StackError(
                f"supervisord doesn't answer at {self.socket_path}: {error}"
            ) from error
        finally:
            socket.setdefaulttimeout(default_timeout_s)
