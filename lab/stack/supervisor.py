"""supervisord as the local stack uses it: its configuration, and calls over its UNIX socket."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import socket
import stat
import subprocess
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.xmlrpc import SupervisorTransport

from lab.stack.services import LOG_FILES, LOG_MAX_MB, Layout, Service
from poolbench.errors import StackError

#: macOS cuts a UNIX socket's path at 104 bytes, and supervisord binds `<path>.<pid>` first.
_SOCKET_PATH_MAX = 90
#: How long supervisord may take to answer a call, seconds. None of ours waits inside.
_CALL_TIMEOUT_S = 10.0

#: A service that ends within this time of its start has not started, seconds.
_START_S = 5
#: Further starts of a service that has not started; then it is given up.
_START_RETRIES = 2

# Paths count from the state folder, where supervisord is started, or come from the environment:
# its parser takes ` ;` and ` #` in a path for a comment, and expands the `%` of a log's path twice.
# Secrets are handed on in the environment, and stand nowhere in this file.
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

# killasgroup ends a worker's children too. Its recorder has a session of its own and is spared:
# it ends by itself when it has handed on the last line.
_PROGRAM = """
[program:{name}]
command="%(ENV_POOLBENCH_PYTHON)s" -m {command}
directory=%(ENV_POOLBENCH_ROOT)s
environment=POOLBENCH_HEARTBEAT_FILE="%(ENV_POOLBENCH_STATE_DIR)s/heartbeats/{name}"
autostart=false
autorestart=true
startsecs={start_s}
startretries={start_retries}
stopwaitsecs={stop_s}
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes={log_max_mb}MB
stdout_logfile_backups={log_backups}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramState:
    """What supervisord says of one service."""

    name: str
    #: supervisord's word: RUNNING, STARTING, STOPPED, BACKOFF, STOPPING, EXITED, FATAL.
    word: str
    #: Process id, or 0.
    pid: int
    #: Seconds since its start; 0 when it doesn't run.
    uptime_s: int
    #: Why it isn't running, in supervisord's words.
    reason: str

    @property
    def is_wanted(self) -> bool:
        """Return whether supervisord runs it or is about to."""
        return self.word in {"RUNNING", "STARTING", "BACKOFF"}


def configuration(definitions: Sequence[Service]) -> str:
    """Return supervisord's configuration for these services; it holds no secret and no path."""
    sizes = {"log_max_mb": LOG_MAX_MB, "log_backups": LOG_FILES - 1}
    umask = os.umask(0o022)
    os.umask(umask)
    # only root is asked whom to become; others may have a uid without a name, as in a container
    user = "user=root" if os.getuid() == 0 else ""
    head = _HEAD.format(umask=umask, user=user, **sizes)
    return head + "".join(
        _PROGRAM.format(
            name=service.name,
            command=" ".join(service.command),
            start_s=_START_S,
            start_retries=_START_RETRIES,
            stop_s=service.stop_s,
            **sizes,
        )
        for service in definitions
    )


def runtime_folder(layout: Layout, *, environ: Mapping[str, str]) -> Path:
    """Return the short folder of this stack's socket; it need not exist yet."""
    mark = hashlib.sha256(os.fsencode(layout.state_dir)).hexdigest()[:10]
    given = Path(environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    short = (
        len(os.fsencode(given)) + len("/poolbench-0123456789/supervisor.sock") < _SOCKET_PATH_MAX
    )
    if short and given.is_dir() and given.stat().st_uid == os.getuid():
        return given / f"poolbench-{mark}"
    return Path("/tmp") / f"poolbench-{os.getuid()}-{mark}"  # noqa: S108 -- owner and mode checked


def make_runtime_folder(folder: Path) -> None:
    """Make the folder, for its owner alone.

    Raises:
        StackError: if something else stands in its place, or someone else's folder.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StackError(f"can't make {folder} for supervisord's socket: {error}") from error
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not is_ours or status.st_mode & 0o077:
        raise StackError(f"{folder} is not a folder of yours alone; remove it and start again")


class Supervisor:
    """A supervisord behind its socket."""

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path

    def start(self, *, config: Path, environment: Mapping[str, str]) -> None:
        """Start it in its configuration's folder, as a daemon, and wait until it answers.

        Raises:
            StackError: if it refuses, with what it says.
        """
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        done = subprocess.run(
            command,
            cwd=config.parent,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = f"{done.stdout}\n{done.stderr}".strip().splitlines() or [str(done.returncode)]
            told = next((line for line in said if line.startswith("Error")), said[-1])
            raise StackError(f"supervisord did not start: {told}")
        # the socket listens before it daemonizes, so this call waits in its queue
        self.pid()

    def pid(self) -> int:
        """Return its process id."""
        return int(str(self._call("getPID")))

    def states(self) -> dict[str, ProgramState]:
        """Return every service's state, by name."""
        found = self._call("getAllProcessInfo")
        assert isinstance(found, list)
        return {info["name"]: _program_state(info) for info in found}

    def start_service(self, name: str) -> None:
        """Begin to start a service; a running one is left alone."""
        self._ask("startProcess", name)

    def stop_service(self, name: str) -> None:
        """Begin to stop a service; a stopped one is left alone."""
        self._ask("stopProcess", name)

    def shut_down(self) -> None:
        """Begin to end supervisord itself."""
        self._call("shutdown")

    def _ask(self, method: str, name: str) -> None:
        # a service that is already as wished, or fails at once, is told by its state
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call(method, name, False)

    def _call(self, method: str, *arguments: str | bool) -> object:
        transport = SupervisorTransport(serverurl=f"unix://{self.socket_path}")
        # its socket takes no other timeout than the default
        default_timeout_s = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_CALL_TIMEOUT_S)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault:
            raise
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise StackError(
                f"supervisord doesn't answer at {self.socket_path}: {error}"
            ) from error
        finally:
            socket.setdefaulttimeout(default_timeout_s)


def _program_state(info: Mapping[str, int | str]) -> ProgramState:
    is_up = bool(info["pid"])
    return ProgramState(
        name=str(info["name"]),
        word=str(info["statename"]),
        pid=int(info["pid"]),
        uptime_s=int(info["now"]) - int(info["start"]) if is_up else 0,
        reason="" if is_up else str(info["spawnerr"]),
    )
