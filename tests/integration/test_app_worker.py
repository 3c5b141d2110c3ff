"""Workers that run a user's app on our broker, and follow its jobs to what they publish."""

from __future__ import annotations

import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from collector.run_manifest import App, AppCall
from lab.app.python import WORKER_APP, TaskCall, capture, worker_environment
from poolbench.records import Moment, TrialPlan
from producer.mixes import Mix, MixPart
from producer.publisher import publish
from tests.conftest import Server, wait_until
from tests.integration.probing import read_lines
from tests.user_apps import user_app, user_python

SHOP = """
from celery import Celery, chain, chord, group
app = Celery("shop", broker="amqp://prod.invalid", backend="redis://prod.invalid")
app.conf.accept_content = ["pickle"]
app.conf.task_serializer = app.conf.result_serializer = "pickle"
app.conf.result_accept_content = ["pickle"]
app.conf.task_create_missing_queues = False

@app.task
def add(*numbers):
    return sum(one if isinstance(one, int) else sum(one) for one in numbers)

@app.task(bind=True)
def again(self):
    if not self.request.retries:
        raise self.retry(countdown=0)

@app.task(bind=True)
def order(self, shape):
    links = [add.si(number) for number in (1, 2, 3)]
    if shape == "replaced":
        raise self.replace(chain(links))
    {"chain": chain(links), "group": group(links), "chord": chord(links, add.s()),
     "elsewhere": app.signature("other.app"), "call": again.si(),
     "callback": add.si(1).set(link=add.s(2))}[shape].apply_async()
"""

#: What a job publishes, and what that publishes: by shape, the number of messages.
PUBLISHED = {
    "chain": 3,
    "group": 3,
    "chord": 4,
    "call": 2,
    "callback": 2,
    "replaced": 3,
    # a task of another app
    "elsewhere": 0,
}


@contextmanager
def running_worker(
    app: App, pool: str, *, server: Server, folder: Path, **settings: Any
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a worker of a user's app with a contender's settings; yield it and its log."""
    environ = {
        **worker_environment(
            os.environ, app, broker_url=broker_url(server), has_backend=True, settings=settings
        ),
        "POOLBENCH_REDIS_URL": server.url,
        "POOLBENCH_STATE_DIR": str(folder / "state"),
        "POOLBENCH_CONTENDER": "own",
        # Celery refuses to unpickle as root, as containers run tests
        "C_FORCE_ROOT": "1",
    }
    log = folder / "worker.log"
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [
                *(app.python, "-m", "celery", "-A", WORKER_APP, "worker", "-P", pool, "-c", "2"),
                *(
                    "-Q",
                    "celery,poolbench.own",
                    "-n",
                    "own@%h",
                    "-I",
                    "poolbench.probe",
                    "-l",
                    "info",
                ),
                *("--without-mingle", "--without-gossip", "--without-heartbeat"),
            ],
            cwd=app.directory,
            env=environ,
            stdout=out,
            stderr=out,
        )
    try:
        yield worker, log
    finally:
        worker.terminate()
        worker.wait(30)


def broker_url(server: Server) -> str:
    """Return the address of a database of the app's own."""
    return f"redis://:{server.password}@127.0.0.1:{server.port}/1"


def send(app: App, *calls: tuple[str, AppCall], server: Server, run: str, folder: Path) -> None:
    """Send a job for each call, with messages that the app writes."""
    asked = [TaskCall(task=task, call=call, count=1) for task, call in calls]
    messages = capture(app, asked, folder=folder)
    parts = tuple(
        MixPart(name="part", kind=task, parameters={}, messages=str(path))
        for (task, _), path in zip(calls, messages, strict=True)
    )
    plan = TrialPlan(trial=0, contender="own", pool="any", slots=2, kind="mix")
    mix = Mix(parts=parts, order=range(len(parts)))
    with redis.Redis.from_url(broker_url(server)) as client:
        publish(client, run=run, plan=plan, offsets_s=[0.0] * len(parts), mix=mix)


def count_ended(client: redis.Redis, run: str) -> int:
    """Return the number of executions that have ended."""
    return sum(line["m"] == Moment.FINISHED for line in read_lines(client, run))


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_job_is_followed_to_all_that_it_publishes(
    pool: str, server: Server, client: redis.Redis, run_id: str, tmp_path: Path
) -> None:
    """Each message has a published line of its job, and runs once as the message announced."""
    app = user_app(tmp_path, python=user_python(tmp_path), shop=SHOP)
    calls = [("shop.order", AppCall(args=(shape,))) for shape in PUBLISHED]
    everything = len(calls) + sum(PUBLISHED.values())
    with running_worker(app, pool, server=server, folder=tmp_path):
        send(app, *calls, server=server, run=run_id, folder=tmp_path)
        wait_until(
            lambda: count_ended(client, run_id) == everything, what=f"{everything} executions"
        )
    of_jobs: dict[int, dict[str, Counter[tuple[str, int]]]]
    of_jobs = defaultdict(lambda: defaultdict(Counter))
    for line in read_lines(client, run_id):
        of_jobs[line["seq"]][line["m"]][line["task_id"], line["attempt"]] += 1
    for seq, (shape, count) in enumerate(PUBLISHED.items()):
        seen = of_jobs[seq]
        assert seen[Moment.PUBLISHED].total() == count, shape
        # a chain that replaces a job ends with a message of the job's own id
        root = seen[Moment.FINISHED] - seen[Moment.PUBLISHED]
        assert root.total() == 1, shape
        assert seen[Moment.RECEIVED] == seen[Moment.FINISHED] == seen[Moment.PUBLISHED] + root


def test_a_contenders_settings_are_in_effect_before_the_app_is_used(
    server: Server, client: redis.Redis, run_id: str, tmp_path: Path
) -> None:
    """Tasks take their options from them, although the app is finalized while it is imported."""
    seen = tmp_path / "seen"
    late = f"""
app.conf.broker_transport_options = {{"visibility_timeout": 100, "global_keyprefix": "shop-"}}
app.finalize()
app.conf.worker_prefetch_multiplier = 4

@app.task(bind=True)
def look(self):
    options = app.conf.broker_transport_options
    with open({str(seen)!r}, "w") as file:
        print(add.acks_late, app.conf.worker_prefetch_multiplier, options, file=file)
"""
    app = user_app(tmp_path, python=user_python(tmp_path), shop=SHOP + late)
    settings = {
        "task_acks_late": True,
        "worker_prefetch_multiplier": 7,
        "broker_transport_options": {"max_connections": 50},
    }
    with running_worker(app, "threads", server=server, folder=tmp_path, **settings):
        send(app, ("shop.look", AppCall()), server=server, run=run_id, folder=tmp_path)
        wait_until(lambda: count_ended(client, run_id) == 1, what="the job has ended")
    assert seen.read_text() == "True 7 {'visibility_timeout': 100, 'max_connections': 50}\n"


def test_a_worker_runs_our_own_jobs_beside_the_apps(
    server: Server, client: redis.Redis, run_id: str, tmp_path: Path
) -> None:
    """The app accepts no JSON and creates no queues by itself; a proof of the slots needs both."""
    app = user_app(tmp_path, python=user_python(tmp_path), shop=SHOP)
    plan = TrialPlan(
        trial=0, contender="own", pool="any", slots=2, kind="io.sleep", parameters={"delay_ms": 1.0}
    )
    with (
        running_worker(app, "solo", server=server, folder=tmp_path),
        redis.Redis.from_url(broker_url(server)) as own,
    ):
        publish(own, run=run_id, plan=plan, offsets_s=[0.0, 0.0])
        wait_until(lambda: count_ended(client, run_id) == 2, what="both sleeps have ended")
    outcomes = [line.get("state") for line in read_lines(client, run_id) if "state" in line]
    assert outcomes == ["SUCCESS", "SUCCESS"]


def test_a_worker_whose_broker_is_not_ours_does_not_start(server: Server, tmp_path: Path) -> None:
    """It ends before it connects, with one line that names the setting and no address."""
    foreign = 'import os\nos.environ["CELERY_BROKER_READ_URL"] = "redis://:secret@prod.invalid"\n'
    app = user_app(tmp_path, python=user_python(tmp_path), shop=foreign + SHOP)
    with running_worker(app, "solo", server=server, folder=tmp_path) as (worker, log):
        assert worker.wait(30) == 2
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("poolbench: ")]
    assert line.endswith(
        "not every address is ours: broker_read_url: it is not redirected by the environment"
    )
    assert "secret" not in log.read_text()
