"""The Python of a user's app describes the app and captures its messages. Nothing is sent."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import psutil
import pytest

from collector.run_manifest import App, AppCall
from lab.app.python import (
    AppDescription,
    TaskCall,
    app_environment,
    capture,
    describe,
)
from lab.system.paths import ROOT
from poolbench.errors import UsageError
from poolbench.jobs import HEADER
from poolbench.records import TrialPlan
from producer.captured import read_messages
from producer.mixes import Mix, MixPart
from producer.template import capture as template_of
from tests.conftest import wait_until
from tests.processes import has_ended
from tests.user_apps import user_app, user_python

URL = "redis://:ours@127.0.0.1:7777/3"

#: The start of most apps here: a broker and a backend that must never be reached or printed.
CELERY = """
from celery import Celery
app = Celery("shop", broker="amqp://u:secret@prod.invalid//", backend="redis://:secret@prod.invalid")
"""

SHOP = f"""{CELERY}
print("the shop prints when it is imported")
app.conf.task_routes = {{"shop.mail": {{"queue": "mail"}}}}
app.conf.task_send_sent_event = True
app.conf.broker_transport_options = {{"fanout_prefix": False, "global_keyprefix": "shop-"}}

@app.task(rate_limit="10/m", time_limit=30)
def thumbnail(size): ...

@app.task(serializer="pickle", compression="zlib", priority=4)
def mail(to): ...

@app.task(expires=60)
def refresh(): ...
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with the wheel's package."""
    return user_python(tmp_path_factory.mktemp("python"))


@pytest.fixture
def shop(tmp_path: Path, python: str) -> App:
    """An app that prints when it is imported."""
    arguments = "def sizes(number):\n    return [[10, 20, 30][number]]\n"
    return user_app(tmp_path, python=python, shop=SHOP, bench=arguments)


def foreign(described: AppDescription) -> dict[str, str]:
    """Return the places that are not ours, each with its reason."""
    return {place.setting: place.reason for place in described.places if not place.is_ours}


def refusal(app: App, *, tasks: tuple[str, ...] = (), timeout_s: float = 60.0) -> str:
    """Return why an app can't be tried."""
    with pytest.raises(UsageError) as caught:
        describe(app, broker_url=URL, tasks=tasks, timeout_s=timeout_s)
    return str(caught.value)


def captured(
    app: App, *calls: tuple[str, AppCall, dict[str, Any]], folder: Path
) -> tuple[Path, ...]:
    """Return the files of the captured messages of calls, of up to three jobs each."""
    asked = [TaskCall(task=task, call=call, count=3, options=what) for task, call, what in calls]
    return capture(app, asked, folder=folder)


def rendered(path: Path, *, jobs: int, due_ns: int = 10**18) -> list[dict[str, Any]]:
    """Return the messages of a trial's jobs, with the key of their list, as a worker takes them."""
    part = MixPart(name="part", kind="shop.task", parameters={}, messages=str(path))
    plan = TrialPlan(trial=2, contender="a", pool="solo", slots=1, kind="mix", count=jobs)
    template = template_of(plan, run="r1", mix=Mix(parts=(part,), order=[0] * jobs))
    batch = template.render([due_ns] * jobs, first_job=0, sent_ns=5)
    return [
        {"key": command[1].decode(), **json.loads(message)}
        for command in batch.commands
        for message in command[2:]
    ]


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def test_an_app_that_prints_is_described_without_an_address(shop: App) -> None:
    """Its tasks, its queues and whether it stores results; every place leads to our server."""
    found = describe(shop, broker_url=URL, tasks=("shop.mail",))
    assert foreign(found) == {}
    assert found.has_backend
    assert {name: task.queue for name, task in found.tasks.items()} == {
        "shop.mail": "mail",
        "shop.refresh": "celery",
        "shop.thumbnail": "celery",
    }
    assert found.tasks["shop.thumbnail"].options == {"rate_limit": "10/m", "time_limit": 30}
    assert found.left_out == ("fanout_prefix", "global_keyprefix")
    assert not any(word in repr(found) for word in ("secret", "prod.invalid", "ours@"))


def test_an_app_that_configures_itself_in_its_package_is_found(tmp_path: Path, python: str) -> None:
    """The app of package.celery is found by the package's name, with its discovered tasks."""
    app = user_app(
        tmp_path,
        python=python,
        shop____init__="from shop.celery import app\n",
        shop__celery=(
            "from celery import Celery\n"
            "app = Celery('shop')\n"
            "app.config_from_object('shop.settings', namespace='CELERY')\n"
            "app.autodiscover_tasks(['shop'])\n"
        ),
        shop__settings="CELERY_BROKER_URL = 'sqs://'\nCELERY_TASK_DEFAULT_QUEUE = 'jobs'\n",
        shop__tasks="from celery import shared_task\n@shared_task\ndef mail(to): ...\n",
    )
    found = describe(app, broker_url=URL)
    assert {name: task.queue for name, task in found.tasks.items()} == {"shop.tasks.mail": "jobs"}
    assert (found.has_backend, foreign(found)) == (False, {})


def test_what_the_environment_does_not_redirect_is_not_ours(tmp_path: Path, python: str) -> None:
    """TLS, another backend of a task, and a failover list in the environment are found."""
    app = user_app(
        tmp_path,
        python=python,
        shop=f"""
import os
os.environ["CELERY_BROKER_WRITE_URL"] = "amqp://secret@one.invalid;amqp://secret@two.invalid"
{CELERY}
from celery.backends.redis import RedisBackend
app.conf.broker_use_ssl = {{"ssl_cert_reqs": 0}}
@app.task(backend=RedisBackend(app=app, url="redis://:secret@prod.invalid"))
def pay(): ...
@app.task(backend=RedisBackend(app=app, url="{URL}"))
def mail(): ...
""",
    )
    assert set(foreign(describe(app, broker_url=URL))) == {
        "broker_write_url",
        "broker_use_ssl",
        "backend of the task shop.pay",
    }


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("shop", "import stripe", "No module named 'stripe' (shop.py, line 1)"),
        ("shop", "def f(:", "SyntaxError: invalid syntax (shop.py, line 1)"),
        (
            "shop",
            "raise OSError('no redis://:secret@prod')",
            "OSError: no (address) (shop.py, line",
        ),
        ("shop", "raise SystemExit(3)", "SystemExit: 3"),
        ("shop", "import os; os._exit(3)", "gave no answer (exit code 3)"),
        ("shop", "x = 1", "the module shop has no Celery app. Write it as after celery -A."),
        ("store", "", "there is no module store in "),
    ],
)
def test_an_app_that_is_not_there_or_not_importable_is_one_line(
    module: str, text: str, said: str, tmp_path: Path, python: str
) -> None:
    """The app's own error is shortened, with its place, and without an address."""
    line = refusal(user_app(tmp_path, python=python, module=module, shop=text))
    assert said in line
    assert len(line.splitlines()) == 1


def test_an_unregistered_task_is_answered_by_the_nearest(shop: App) -> None:
    """The message proposes the task that was probably meant."""
    line = refusal(shop, tasks=("shop.thumbnails",))
    assert line == "the app has no task shop.thumbnails. Did you mean shop.thumbnail?"


def test_an_app_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """A shell that hangs at once stands in for a Python, whose start may take seconds."""
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60 & echo $! > pid\nwait\n")
    slow.chmod(0o755)
    line = refusal(user_app(tmp_path, python=str(slow), shop=""), timeout_s=2.0)
    assert line.startswith("the app shop gave no answer within 2 s.")
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: is_gone(pid), what="the end of what it has started")


def test_a_python_that_is_missing_or_has_no_wheel_is_one_line(tmp_path: Path) -> None:
    """The remedy for a Python without the wheel is to install it."""
    app = user_app(tmp_path, python=str(tmp_path / "nothing"), shop="")
    assert refusal(app).startswith("the app's Python can't be started: ")
    folder = tmp_path / "folder"
    folder.mkdir()
    line = refusal(user_app(tmp_path, python=str(folder), shop=""))
    assert line.startswith(f"the app's Python can't be started: Permission denied: {folder}.")
    bare = tmp_path / "bare"
    bare.write_text('#!/bin/sh\necho "$0: No module named poolbench" >&2\nexit 1\n')
    bare.chmod(0o755)
    line = refusal(user_app(tmp_path, python=str(bare), shop=""))
    assert "has no Poolbench, or another version" in line
    assert "-m pip install dist/poolbench-*.whl" in line


def test_another_version_of_the_wheel_is_refused(
    shop: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both versions are named. Patched, since there is only one version here."""
    monkeypatch.setattr("lab.app.python.__version__", "99.0")
    line = refusal(shop)
    assert "is installed there, and this is 99.0. Run make wheel" in line


def test_the_app_inherits_no_setting_of_ours_and_no_checkout() -> None:
    """Its own variables and its own paths are kept; broker and backend are replaced."""
    path = os.pathsep.join((str(ROOT), "/srv/lib"))
    inherited = {
        "POOLBENCH_RUN": "x",
        "PYTHONPATH": path,
        "SHOP": "1",
        "CELERY_BROKER_URL": "amqp:",
    }
    found = app_environment(inherited, broker_url=URL, has_backend=False)
    assert (found["PYTHONPATH"], found["SHOP"]) == ("/srv/lib", "1")
    assert found["CELERY_BROKER_URL"] == found["CELERY_BROKER_READ_URL"] == URL
    assert found["CELERY_RESULT_BACKEND"] == "disabled://"
    assert "POOLBENCH_RUN" not in found


def test_messages_are_the_apps_own(shop: App, tmp_path: Path) -> None:
    """Serializer, compression, route, priority and expiry are those of the app and of the call."""
    mail, refresh, thumbnails = captured(
        shop,
        ("shop.mail", AppCall(kwargs={"to": "me"}), {"countdown": 5}),
        ("shop.refresh", AppCall(), {}),
        ("shop.thumbnail", AppCall(function="bench:sizes"), {}),
        folder=tmp_path,
    )
    assert [len(read_messages(str(path))) for path in (mail, thumbnails)] == [1, 3]
    assert mail.stat().st_mode & 0o777 == 0o600
    (one,) = rendered(mail, jobs=1)
    assert (one["content-type"], one["key"]) == ("application/x-python-serialize", "mail\x06\x163")
    assert one["headers"]["compression"] == "application/x-gzip"
    assert one["headers"]["eta"] == "2001-09-09T01:46:45+00:00"
    (other,) = rendered(refresh, jobs=1)
    assert other["headers"]["expires"] == "2001-09-09T01:47:40+00:00"


def test_jobs_take_the_captured_arguments_in_turn(shop: App, tmp_path: Path) -> None:
    """Each job has an id and a header of its own; after the last arguments come the first."""
    call = AppCall(function="bench:sizes")
    (sizes,) = captured(shop, ("shop.thumbnail", call, {}), folder=tmp_path)
    jobs = rendered(sizes, jobs=5)
    args = [json.loads(b64decode(job["body"]))[0] for job in jobs]
    assert args == [[10], [20], [30], [10], [20]]
    ids = {job["headers"]["id"] for job in jobs}
    assert len(ids) == 5
    assert ids == {job["properties"]["delivery_tag"] for job in jobs}
    assert jobs[4]["headers"][HEADER] == {
        "run": "r1",
        "trial": 2,
        "seq": 4,
        "contender": "a",
        "due_ns": 10**18,
        "sent_ns": 5,
        "part": "part",
    }


def test_a_topic_exchange_leads_to_its_queue(tmp_path: Path, python: str) -> None:
    """The app's own queues decide where a routing key leads, as its workers declare them."""
    app = user_app(
        tmp_path,
        python=python,
        shop=f"""{CELERY}
from kombu import Exchange, Queue
media = Exchange("media", type="topic")
app.conf.task_queues = [Queue("images", media, routing_key="image.#"), Queue("celery")]
app.conf.task_routes = {{"shop.thumbnail": {{"exchange": "media", "routing_key": "image.png"}}}}
@app.task
def thumbnail(): ...
""",
    )
    (one,) = captured(app, ("shop.thumbnail", AppCall(), {}), folder=tmp_path)
    assert [message.queue for message in read_messages(str(one))] == ["images"]


@pytest.mark.parametrize(
    ("task", "call", "said"),
    [
        ("thumbnail", AppCall(args=(1, 2)), "shop.thumbnail can't be called: TypeError: "),
        ("thumbnail", AppCall(function="bench:none"), "bench:none can't be imported: "),
        ("thumbnail", AppCall(function="bench:sizes"), "bench:sizes(1) raised KeyError: 1"),
        ("thumbnail", AppCall(function="bench:text"), "bench:text(0) returned str."),
        ("old", AppCall(), "shop.old sends no message in a queue of the app"),
    ],
)
def test_a_call_that_fails_is_one_line(
    task: str, call: AppCall, said: str, tmp_path: Path, python: str
) -> None:
    """The error is the app's own, with the number of the job whose arguments fail."""
    unbound = '@app.task(exchange="x", exchange_type="topic", routing_key="x")\ndef old(): ...\n'
    app = user_app(
        tmp_path,
        python=python,
        shop=SHOP + unbound,
        bench="def sizes(number):\n    return [{0: 1}[number]]\ndef text(number):\n    return ''\n",
    )
    with pytest.raises(UsageError, match=r"^[^\n]*$") as caught:
        captured(app, (f"shop.{task}", call, {}), folder=tmp_path)
    assert said in str(caught.value)


def test_no_task_runs_where_the_app_would_call_it_itself(tmp_path: Path, python: str) -> None:
    """With task_always_eager a call is no message: it is refused before it runs."""
    text = "\napp.conf.task_always_eager = True\n@app.task\ndef pay(): open('paid', 'w').close()\n"
    app = user_app(tmp_path, python=python, shop=CELERY + text)
    assert describe(app, broker_url=URL).is_eager
    with pytest.raises(UsageError, match="task_always_eager is set"):
        captured(app, ("shop.pay", AppCall(), {}), folder=tmp_path)
    assert not (tmp_path / "paid").exists()


def test_nothing_is_captured_from_an_app_whose_results_are_not_redirected(
    tmp_path: Path, python: str
) -> None:
    """Such a call would subscribe to its result on the app's own server."""
    text = CELERY.replace("Celery(", "type('Own', (Celery,), {'backend_cls': 'rpc'})(")
    text += "@app.task\ndef pay(): ...\n"
    app = user_app(tmp_path, python=python, shop=text)
    assert "result_backend" in foreign(describe(app, broker_url=URL))
    with pytest.raises(UsageError, match="result_backend is not redirected"):
        captured(app, ("shop.pay", AppCall(), {}), folder=tmp_path)
