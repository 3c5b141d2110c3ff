"""Experiments on a user's app: its own tasks, in its own folder, on a server of the run's own."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from collector.reasons import Severity
from collector.store import RunFolder
from lab.system.paths import ROOT
from poolbench.errors import ExitCode
from report.result import Summary, from_json
from tests.integration.test_lab_run import only_run, poolbench, write

#: A broker that nothing listens on: a message to it would fail.
APP = """\
import time

from celery import Celery, chain, chord

app = Celery("shop", broker="redis://:secret@127.0.0.1:9/5")
app.conf.result_backend = "redis://:secret@127.0.0.1:9/6"
app.conf.task_routes = {"shop.mail": {"queue": "mail"}}

@app.task(name="shop.nap")
def nap(seconds):
    time.sleep(seconds)
    return seconds

@app.task(name="shop.mail")
def mail(to):
    time.sleep(0.002)

@app.task(name="shop.order")
def order():
    chain(nap.si(0.002), mail.si("a")).delay()

@app.task(name="shop.report")
def report(parts):
    chord([nap.si(0.002) for _ in range(parts)], total.s()).delay()

@app.task(name="shop.total")
def total(found):
    return sum(found)

@app.task(name="shop.flaky", bind=True)
def flaky(self):
    if not self.request.retries:
        raise self.retry(countdown=0.05)

def naps(number):
    return [0.002 if number % 2 else 0.004]
"""

EXPERIMENT = """\
# Which pool?
title = "Which pool?"
stall_s = 5.0

[app]
module = "shop"

[profile.demo]
repetitions = 1
trial_s = 0.5
contenders = ["prefork", "threads", "gevent"]

[[contender]]
name = "prefork"
pool = "prefork"
slots = 2

[[contender]]
name = "threads"
pool = "threads"
slots = 3

[[contender]]
name = "gevent"
pool = "gevent"
slots = 4

[[workload]]
name = "all"
arrivals = { how = "constant", rate_per_s = 40, count = 40 }

[[workload.mix]]
name = "order"
task = "shop.order"
share = 0.25

[[workload.mix]]
name = "report"
task = "shop.report"
kwargs = { parts = 3 }
share = 0.25

[[workload.mix]]
name = "flaky"
task = "shop.flaky"
share = 0.25

[[workload.mix]]
name = "nap"
task = "shop.nap"
arguments = "shop:naps"
countdown_s = 0.1
share = 0.25
"""

#: Executions of each part's jobs, with all that they lead to.
EXECUTIONS = {"order": 3, "report": 5, "flaky": 2, "nap": 1}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app's folder, with an experiment; its Python is the tests' own."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "shop.py").write_text(APP, encoding="utf-8")
    # the checkout is not on the app's path, and another one may be installed in this Python
    (folder / "poolbench").symlink_to(ROOT / "poolbench")
    (folder / "results").mkdir()
    return folder


@pytest.fixture(scope="module")
def run_folder(app_folder: Path) -> RunFolder:
    """A run on three pools."""
    done = poolbench(
        *("run", write(app_folder, EXPERIMENT), "--i-know"),
        results=app_folder / "results",
        within_s=200,
    )
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    return RunFolder(only_run(app_folder / "results"))


@pytest.fixture
def summary(run_folder: RunFolder) -> Summary:
    """The run's result."""
    return from_json((run_folder.path / "summary.json").read_bytes())


def test_every_job_ends_with_all_that_it_leads_to(summary: Summary) -> None:
    """Chains, chords and retries close the ledger in each pool, on no broker of the app's."""
    assert len(summary.rows) == 3
    for row in summary.rows:
        ledger = row.ledger
        assert (ledger.sent, ledger.done, ledger.duplicated) == (40, 40, 0)
        assert ledger.retried > 5
        assert row.mark is not Severity.INVALID


def test_the_executions_of_a_job_belong_to_it(run_folder: RunFolder, summary: Summary) -> None:
    """They have its part, whichever task they are of, and each pool runs all of them."""
    jobs = run_folder.read_jobs().drop_nulls("finished_ns")
    trials = {trial.trial for trial in summary.trials if not trial.is_pilot}

    of_trials = jobs.filter(pl.col("trial").is_in(trials))
    counts = of_trials.group_by("contender", "part").agg(pl.len(), jobs=pl.col("seq").n_unique())

    assert counts.height == 12
    for _, part, executions, sent in counts.iter_rows():
        assert executions == sent * EXECUTIONS[part]


def test_the_levels_of_its_queues_are_read(run_folder: RunFolder) -> None:
    """From the contender's own database: jobs with a countdown are not acknowledged."""
    samples = run_folder.read_samples().drop_nulls("unacked_jobs")

    assert samples["contender"].n_unique() == 3
    assert samples["countdown_jobs"].max() or samples["unacked_jobs"].max()


def test_the_waits_are_those_of_the_jobs_that_were_sent(summary: Summary) -> None:
    """A job's wait is its first message's, its response the time until all of it has ended."""
    (row,) = [one for one in summary.rows if one.contender == "threads"]

    report, nap = row.parts["report"], row.parts["nap"]
    assert report.response_s is not None
    assert report.execution_s is not None
    assert nap.wait_s is not None
    # three naps and their sum follow the execution of the first
    assert (report.response_s.p50 or 0.0) > (report.execution_s.p50 or 0.0) + 0.002
    assert (nap.wait_s.p50 or 0.0) >= 0.1


REFUSED = {
    "no consent": (EXPERIMENT, (), "the tasks of an app run as they are"),
    "an app that doesn't import": (
        EXPERIMENT.replace('"shop"', '"broken"'),
        ("--i-know",),
        "the app broken can't be imported: NameError: name 'nothing' is not defined",
    ),
    "a broker of its own": (
        EXPERIMENT.replace('"shop"', '"backend"'),
        ("--i-know",),
        "backend of the task shop.nap of the app is not Poolbench's",
    ),
    "arguments that a task refuses": (
        EXPERIMENT.replace("{ parts = 3 }", "{ pieces = 3 }"),
        ("--i-know",),
        "shop.report can't be called: TypeError",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_run_that_could_do_harm_is_refused(app_folder: Path, case: str) -> None:
    """With one line, before anything is started; no address of the app is printed."""
    text, words, problem = REFUSED[case]
    (app_folder / "broken.py").write_text("nothing", encoding="utf-8")
    backend = APP.replace('"shop.nap"', '"shop.nap", backend="redis://:secret@x/1"')
    (app_folder / "backend.py").write_text(backend, encoding="utf-8")
    results = app_folder / "refused"
    results.mkdir(exist_ok=True)

    done = poolbench(
        *("run", write(app_folder, text), *words),
        results=results,
        within_s=60,
    )

    assert done.returncode == ExitCode.USAGE
    assert problem in " ".join(done.stderr.split())
    assert "secret" not in done.stdout + done.stderr
    assert not list(results.iterdir())
