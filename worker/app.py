"""The Celery app. Settings that are not named here have Celery's defaults.

`python -m worker` starts it; use `celery -A worker.app` for Flower and for inspection.
"""

from __future__ import annotations

import atexit
import gc
import os
import socket
from typing import Any

from celery import Celery, signals

from poolbench.keys import result_prefix, unacked_keys
from poolbench.pools import MAX_SLOTS
from poolbench.settings import Settings, load_settings, merged
from worker.ballast import take_on
from worker.broker import refuse_without_broker

#: Timeout of a read from or a write to the broker, seconds. It must exceed the second for which an
#: idle consumer's BRPOP waits, and the longest fsync of the server.
SOCKET_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0

#: Idle time after which a connection is checked before its next use, seconds. An idle consumer
#: detects a half-open connection after twice this time and a second.
HEALTH_CHECK_S = 10

#: The kernel's keepalive probes of an idle connection: delay and interval, seconds, and number of
#: probes. The default delay is two hours. TCP_KEEPALIVE is macOS's name of TCP_KEEPIDLE.
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}

#: Time after which an unacknowledged message is redelivered to another worker, seconds. The longest
#: job waits an hour, and another one may have waited for the same slot.
VISIBILITY_TIMEOUT_S = 2 * 3_600

#: Most connections of a client's pool. Under gevent each slot acknowledges over a connection of its
#: own. Beyond the bound a connection is refused, the acknowledgement is lost with a log line, and
#: the job is redelivered. The default is 10. Connections are opened on demand only.
MAX_CONNECTIONS = MAX_SLOTS + 100

#: Connections for messages that jobs send, mostly retries. A slot waits until one is free.
PUBLISHER_CONNECTIONS = 10

#: Timeout for prefork's children to start, seconds. With the default of 4 a child is killed when
#: several workers start at the same time on two busy cores.
CHILD_START_TIMEOUT_S = 30.0


def configuration(settings: Settings) -> dict[str, Any]:
    """Return the app's settings, by Celery's names: Poolbench's, changed by `Settings.celery`."""
    own = {
        "broker_url": settings.worker_redis_url,
        # without retry_on_timeout: a push that timed out may be stored, and would be duplicated
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
            **(unacked_keys(settings.contender, scope=settings.scope) if settings.scope else {}),
        },
        "broker_pool_limit": PUBLISHER_CONNECTIONS,
        # the broker was reachable when the worker started; a lost broker is waited for without end,
        # since an exited worker can't be distinguished from one that crashed
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # a job whose acknowledgement is lost with the connection is redelivered; ending it at once
        # prevents it from running twice. Applies to late acknowledgement; Celery 6's default
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # results are off, since the ledger counts the jobs and a result costs two round trips; the
        # backend is for settings or messages that turn results on
        "task_ignore_result": not settings.stores_results,
        "result_backend": settings.worker_redis_url,
        "result_backend_transport_options": (
            {"global_keyprefix": result_prefix(settings.scope)} if settings.scope else {}
        ),
        # one backend for all slots: otherwise one per thread, and under gevent one per job, since a
        # greenlet counts as a thread; that took 0.7 of a no-op's 1.7 ms of CPU, without results too
        "result_backend_thread_safe": True,
        "redis_max_connections": MAX_CONNECTIONS,
        "redis_socket_timeout": SOCKET_TIMEOUT_S,
        "redis_socket_connect_timeout": CONNECT_TIMEOUT_S,
        "redis_socket_keepalive": True,
        "redis_backend_health_check_interval": HEALTH_CHECK_S,
        "worker_prefetch_multiplier": settings.prefetch_multiplier,
        "task_acks_late": settings.acks_late,
        "worker_proc_alive_timeout": CHILD_START_TIMEOUT_S,
        # keep the log handlers of modules that `-I` imports
        "worker_hijack_root_logger": False,
        # no job prints; tracebacks of the interpreter must reach the real standard error
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
    }
    return merged(own, settings.celery)


app = Celery("poolbench", include=["worker.tasks"])
app.conf.update(configuration(load_settings()))
#: As much as the lab asks for, to measure a start; nothing by default.
ballast = take_on(os.environ)
signals.celeryd_init.connect(refuse_without_broker)
# to collect all garbage at the end takes 0.1 s of CPU, which the next workers' start would miss
atexit.register(gc.freeze)
