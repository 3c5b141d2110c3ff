"""The user's app as tries run it: ``celery -A poolbench.userapp.worker:app worker -I …``.

It finds the app that `APP` names, gives it the contender's Celery settings before the
worker reads them, and adds Poolbench's own jobs. The worker ends with one line if one of the app's
addresses is not ours.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from celery import Celery, Task, signals

from poolbench import stand_in
from poolbench.errors import ExitCode
from poolbench.settings import Settings, load_settings, merged
from poolbench.userapp import APP
from poolbench.userapp.failure import AppError
from poolbench.userapp.find import check_celery, find_app
from poolbench.userapp.places import KEY_OPTIONS, check_transport, find_places

#: Job kind of the sleeps that prove a worker's slots.
SLEEP = "io.sleep"


def prepare(settings: Settings) -> Celery:
    """Return the user's app with the contender's settings and with Poolbench's jobs.

    Raises:
        AppError: if it can't be found.
    """
    check_celery()
    apply_before_tasks(settings.celery)
    app = find_app(os.environ[APP])
    # again, since the app's code may have changed some later
    apply_settings(app, settings.celery)
    register_jobs(app, runs_coroutines=settings.runs_coroutines)
    return app


def apply_before_tasks(settings: Mapping[str, Any]) -> None:
    """Let every app of this process have these settings before its tasks take options from them.

    Tasks do that when the app is finalized, which its code may do while it is imported.
    """
    celery: Any = Celery
    finalize = celery.finalize

    def finalize_with_settings(app: Any, auto: bool = False) -> None:  # noqa: FBT001, FBT002
        if not app.finalized:
            apply_settings(app, settings)
        finalize(app, auto)

    celery.finalize = finalize_with_settings


def apply_settings(app: Celery, settings: Mapping[str, Any]) -> None:
    """Change an app's settings to a contender's; a table changes only its members."""
    conf = app.conf
    options = {
        name: value
        for name, value in (conf.broker_transport_options or {}).items()
        if name not in KEY_OPTIONS
    }
    own = {name: conf.get(name) for name in settings} | {"broker_transport_options": options}
    conf.update(merged(own, settings))
    # for Poolbench's own jobs: their queue, and their JSON
    conf.task_create_missing_queues = True
    accepted = conf.accept_content or ()
    conf.accept_content = [*accepted, *({"json"} - set(accepted))]


def register_jobs(app: Celery, *, runs_coroutines: bool) -> None:
    """Register Poolbench's jobs; no setting of the app slows down those that prove the slots."""
    options: dict[str, Any] = {
        "base": Task,
        "ignore_result": True,
        "rate_limit": 0,
        "acks_late": False,
    }
    decorate: Any = app.task
    decorate(name=SLEEP, **options)(_sleep_async if runs_coroutines else _sleep)
    # it does what the app's own tasks did, with the options that they have by the app's settings
    stand_in.register(app, is_awaited=runs_coroutines)


def _sleep(*, delay_ms: float, **_: object) -> None:
    time.sleep(delay_ms / 1e3)


async def _sleep_async(*, delay_ms: float, **_: object) -> None:
    import asyncio  # noqa: PLC0415 -- only where a loop runs

    await asyncio.sleep(delay_ms / 1e3)


def refuse_foreign_addresses(**_: object) -> None:
    """End this process with one line if an address is not ours; receives `celeryd_init`."""
    try:
        check_transport(_settings.worker_redis_url)
    except AppError as error:
        _end(str(error))
    foreign = [
        place
        for place in find_places(app, broker_url=_settings.worker_redis_url)
        if not place.is_ours
    ]
    if foreign:
        places = "; ".join(f"{place.setting}: {place.reason}" for place in foreign)
        _end(f"not every address is ours: {places}")


def _end(text: str) -> None:
    sys.stderr.write(f"poolbench: {text}\n")
    sys.exit(ExitCode.USAGE)


_settings = load_settings(dotenv=None)
try:
    #: The user's app.
    app = prepare(_settings)
except AppError as error:
    _end(str(error))
signals.celeryd_init.connect(refuse_foreign_addresses, weak=False)
