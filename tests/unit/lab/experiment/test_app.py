"""An experiment on a user's app: what is refused before anything is sent, and who can run it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from collector.run_manifest import Contender, WorkerGroup
from lab.app.python import AppDescription, AppPlace, AppTask
from lab.experiment import app as experiment_app
from lab.experiment.app import equip_app, queue_of, refuse_unsafe, tasks_of, warnings_of
from lab.experiment.model import Experiment
from poolbench.errors import UsageError
from poolbench.settings import load_settings
from tests.unit.lab.experiment_file.test_app import MIXED_APP
from tests.unit.lab.experiment_file.test_loader import MINIMAL, load

DESCRIBED = AppDescription(
    poolbench="0.1.0",
    celery="5.4.0",
    python="CPython 3.11.7",
    pools={"prefork": "", "threads": "", "solo": "", "gevent": "gevent is not installed there"},
    blocking_drivers=(),
    is_eager=False,
    has_backend=False,
    default_queue="default",
    queues=("default", "reports"),
    priority_steps=(),
    left_out=(),
    places=(AppPlace(setting="broker_url", is_ours=True),),
    tasks={"shop.mail": AppTask(queue="mail"), "shop.thumb": AppTask(queue="default")},
)

SOLO = Contender(name="one", pool="solo", slots=1)


def experiment(folder: Path, *contenders: Contender) -> Experiment:
    """Return an experiment on an app's tasks, with these contenders."""
    planned = load(folder, MIXED_APP)
    return replace(planned, contenders=contenders or planned.contenders)


def equipped(
    patch: pytest.MonkeyPatch, planned: Experiment, *, described: AppDescription = DESCRIBED
) -> Experiment:
    """Return the experiment with an app of that description."""
    # patched, since the app's Python is tested elsewhere
    patch.setattr(experiment_app, "describe", lambda *_, **__: described)
    return equip_app(planned)


def test_the_tasks_own_effects_ask_for_consent(tmp_path: Path) -> None:
    """And a server that others use is refused; both are said at once."""
    settings = load_settings({"POOLBENCH_REDIS_URL": "redis://:secret@production/0"}, dotenv=None)

    with pytest.raises(UsageError) as caught:
        refuse_unsafe(experiment(tmp_path), settings=settings, is_known=False)

    server, consent = map(str, caught.value.faults)
    assert "POOLBENCH_REDIS_URL is invalid: a run with [app] has a server of its own" in server
    assert "mails, payments and changes of databases are real" in consent
    assert "add --i-know" in consent
    assert "secret" not in str(caught.value)
    refuse_unsafe(load(tmp_path, MINIMAL), settings=settings, is_known=False)


def test_every_foreign_place_is_named_without_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eager tasks would run in the lab's own call, so they are refused too."""
    places = (
        AppPlace(setting="result_backend", is_ours=False, reason="it is not redirected"),
        AppPlace(setting="broker_use_ssl", is_ours=False, reason="it asks for TLS"),
    )
    described = replace(DESCRIBED, places=places, is_eager=True)

    with pytest.raises(UsageError) as caught:
        equipped(monkeypatch, experiment(tmp_path), described=described)

    texts = [str(fault) for fault in caught.value.faults]
    assert len(texts) == 3
    assert "result_backend of the app is not Poolbench's: it is not redirected" in texts[0]
    assert "task_always_eager of the app is set" in texts[2]


def test_workers_consume_all_queues_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a contender names its own: what jobs publish may go to any of them."""
    own = Contender(name="own", pool="solo", slots=1, queues=("default", "mail"))

    found = equipped(monkeypatch, experiment(tmp_path, SOLO, own))

    assert [one.queues for one in found.contenders] == [
        ("default", "mail", "reports"),
        ("default", "mail"),
    ]
    mail, thumb = tasks_of(found)
    assert (queue_of(mail, described=DESCRIBED), queue_of(thumb, described=DESCRIBED)) == (
        *("mail", "default"),
    )


def test_a_queue_that_no_worker_consumes_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs would wait for ever; each group of a contender may consume it."""
    groups = tuple(
        WorkerGroup(name=name, pool="solo", slots=1, queues=(name,)) for name in ("mail", "reports")
    )
    planned = experiment(tmp_path, Contender(name="two", pool="solo", slots=2, groups=groups))

    with pytest.raises(UsageError) as caught:
        equipped(monkeypatch, planned)

    (fault,) = caught.value.faults
    assert "no worker of two consumes queue default of shop.thumb" in str(fault)


def test_a_pool_that_the_app_lacks_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that adds it; without any other contender, the run is refused."""
    greenlets = Contender(name="greenlets", pool="gevent", slots=9)

    found = equipped(monkeypatch, experiment(tmp_path, SOLO, greenlets))

    assert [one.name for one in found.contenders] == ["one"]
    (skipped,) = found.skipped
    assert "pool gevent can't run in the app's Python: gevent is not installed" in skipped.reason
    assert skipped.remedy.endswith("-m pip install gevent")
    with pytest.raises(UsageError, match="no contender that the app can run"):
        equipped(monkeypatch, experiment(tmp_path, greenlets))


def test_drivers_that_block_greenlets_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only beside a gevent contender."""
    pools = {**DESCRIBED.pools, "gevent": ""}
    described = replace(DESCRIBED, pools=pools, blocking_drivers=("psycopg2",))
    greenlets = Contender(name="greenlets", pool="gevent", slots=9)

    found = equipped(monkeypatch, experiment(tmp_path, SOLO, greenlets), described=described)

    (warning,) = warnings_of(found)
    assert warning.startswith("greenlets: psycopg2 in the app's Python may block all greenlets")
    alone = equipped(monkeypatch, experiment(tmp_path, SOLO), described=described)
    assert not [*warnings_of(alone)]
