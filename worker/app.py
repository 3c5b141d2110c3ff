"""The Celery app. What isn't named here is Celery's default, as most people run it.

`python -m worker` starts it; `celery -A worker.app` serves for Flower and for looking.
"""

from __future__ import annotations

import socket
from typing import Any

from celery import Celery, signals

from poolbench.keys import result_prefix, unacked_keys
from poolbench.pools import MAX_SLOTS
from poolbench.settings import Settings, load_settings
from worker.broker import refuse_without_broker

#: How long a read from or a write to the broker may take, seconds. It must be above the second
#: for which an idle consumer's BRPOP waits, and above a stall of the server's fsync.
SOCKET_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0

#: How long a connection may be idle until it is tried before use, seconds. An idle consumer on a
#: connection that is half open notices after twice this and a second.
HEALTH_CHECK_S = 10

#: When the kernel tries an idle connection: after so many seconds, how often, how many times. Its
#: own default is after two hours. macOS calls the first one TCP_KEEPALIVE.
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}

#: Redis gives a message to another worker when it was fetched this long ago and isn't acknowledged,
#: seconds. The longest job waits an hour, and another may have waited behind it.
VISIBILITY_TIMEOUT_S = 2 * 3_600

#: Connections that a pool of the client may open. Under gevent each slot acknowledges over a
#: connection of its own; one too many is refused, the acknowledgement is lost with a log line, and
#: the job comes again. Ten is the default. Nothing is opened ahead, so this is only a bound.
MAX_CONNECTIONS = MAX_SLOTS + 100

#: Connections for messages that jobs send, mostly retries. A slot waits for one.
PUBLISHER_CONNECTIONS = 10

#: How long prefork's children may take to report, seconds. With the default of 4 a child is killed
#: when several workers start side by side on two busy cores.
CHILD_START_TIMEOUT_S = 30.0


def configuration(settings: Settings) -> dict[str, Any]:
    """Return the app's settings, by Celery's names."""
    return {
        "broker_url": settings.worker_redis_url,
        # without retry_on_timeout: a push that timed out may have been stored, and would be doubled
        "broker_transport_options": {
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "socket_keepalive_options": {
                getattr(socket, option): value
                for option, value in KEEPALIVE.items()
                if hasattr(socket, option)
            },
            "health_check_interval": HEALTH_CHECK_S,
            "max_connections": MAX_CONNECTIONS,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            **(unacked_keys(settings.scope) if settings.scope else {}),
        },
        "broker_pool_limit": PUBLISHER_CONNECTIONS,
        # the broker was there when the worker started; later it is waited for without end, since
        # a worker that gives up can't be distinguished from one that died
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # a job whose acknowledgement is lost with the connection comes again: ending it at once
        # keeps it from running twice. Only late acknowledgement is concerned. Celery 6's default
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # results are off, since the ledger is the account and a result costs two round trips; the
        # backend is there for a setting or a message that asks for one
        "task_ignore_result": not settings.stores_results,
        "result_backend": settings.worker_redis_url,
        "result_backend_transport_options": (
            {"global_keyprefix": result_prefix(settings.scope)} if settings.scope else {}
        ),
        # one backend for all slots: otherwise one a thread and under gevent one a job, since a
        # greenlet counts as a thread; that alone took 0.7 ms of CPU of a no-op's 1.7, results or no
        "result_backend_thread_safe": True,
        "redis_max_connections": MAX_CONNECTIONS,
        "redis_socket_timeout": SOCKET_TIMEOUT_S,
        "redis_socket_connect_timeout": CONNECT_TIMEOUT_S,
        "redis_socket_keepalive": True,
        "redis_backend_health_check_interval": HEALTH_CHECK_S,
        "worker_prefetch_multiplier": settings.prefetch_multiplier,
        "task_acks_late": settings.acks_late,
        "worker_proc_alive_timeout": CHILD_START_TIMEOUT_S,
        # the log handlers of a module that `-I` brings in stay as they are
        "worker_hijack_root_logger": False,
        # nothing prints; a traceback of the interpreter's own belongs on the real standard error
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
    }


app = Celery("poolbench", include=["worker.tasks"])
app.conf.update(configuration(load_settings()))
signals.celeryd_init.connect(refuse_without_broker)
