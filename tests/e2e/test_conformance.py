"""`poolbench conformance` as a person runs it: real workers, real verdicts, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from lab.conformance.markdown import write_markdown
from lab.conformance.survey import read_survey
from tests.conftest import wait_until
from tests.processes import run_python

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

#: What is known of these rows whatever the machine, by pool.
KNOWN = {
    "revoke-waiting": {"prefork": "works", "threads": "ignored"},
    "max-tasks-per-child": {"prefork": "works", "threads": "ignored"},
    "autoscale": {"prefork": "works", "threads": "breaks"},
    "crash": {"prefork": "works", "threads": "breaks"},
    # threads: the worker dies of the signal, whatever becomes of its jobs
    "cold-shutdown": {"prefork": "works", "threads": "breaks"},
    "soft-shutdown": {"prefork": "works", "threads": "breaks"},
    # the limit is kept, and jobs of other kinds stand beside a free slot meanwhile
    "rate-limit": {"prefork": "breaks", "threads": "breaks"},
    # its first worker is killed by the try, which is no death
    "redelivery": {"prefork": "works", "threads": "works"},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document of one survey of these rows on two pools; its JSON lies beside it."""
    target = tmp_path_factory.mktemp("survey") / "pools.md"
    words = [f"--row={row}" for row in KNOWN]
    run(*words, "--pool", "prefork", "--pool", "threads", "--write", str(target))
    return target


def run(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run the command, which must succeed; return what it printed."""
    environ = {**os.environ, "COLUMNS": "120", **(environment or {})}
    done = run_python("-m", "poolbench", "conformance", *words, environ=environ, within_s=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_real_workers_get_their_word(written: Path) -> None:
    """Tried here and now, with evidence for each; the document is made from the JSON beside it."""
    survey = read_survey(written.with_suffix(".json"))

    for row, known in KNOWN.items():
        found = survey.verdicts(row)
        assert {pool: one.word for pool, one in found.items()} == known, row
        assert all(one.seen and one.evidence for one in found.values()), row
    assert written.read_text(encoding="utf-8") == write_markdown(survey, json_name="pools.json")
    assert "--row=crash" in survey.command
    assert survey.broker["server"]


def test_two_surveys_are_laid_side_by_side(written: Path, tmp_path: Path) -> None:
    """Where they differ the other's word stands in brackets."""
    content = json.loads(written.with_suffix(".json").read_text(encoding="utf-8"))
    content["versions"]["celery"] = "4.0.0"
    content["rows"][1]["pools"]["threads"].update(outcome="breaks", outcomes={"breaks": 1})
    other = tmp_path / "other.json"
    other.write_text(json.dumps(content), encoding="utf-8")

    shown = run("--row", "max-tasks-per-child", "--pool", "threads", "--beside", str(other))

    assert re.search(r"max tasks per child +ignored *\n +\(breaks\)", shown)
    assert "In brackets, where it differs: celery 4.0.0" in shown


def test_each_row_is_tried_as_often_as_asked_and_counted() -> None:
    """In the table below the word, with the evidence beside it; a row is named by its title."""
    shown = run("--row", "`--disable-prefetch`", "--row=eta", "--pool=solo", "--tries=3")

    assert re.search(r"eta +works *\n +3 of 3", shown)
    assert "solo     works 3 of 3  " in shown
    assert "Each promise was tried 3 times" in shown


def test_variables_of_celery_do_not_reach_the_workers() -> None:
    """A broker that is named in the shell is somebody else's; so is a signal's meaning."""
    foreign = {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0", "REMAP_SIGTERM": "SIGQUIT"}

    printed = run("--row=warm-shutdown-running", "--pool=solo", "--json", environment=foreign)

    assert json.loads(printed)["rows"][0]["pools"]["solo"]["outcome"] == "works"


def test_an_interrupted_survey_leaves_no_process_behind() -> None:
    """Ctrl-C ends workers and server, and says so by its exit code."""
    command = [sys.executable, "-m", "poolbench", "conformance"]
    command += ["--row", "cold-shutdown", "--row", "redelivery"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as survey:
        tree = psutil.Process(survey.pid)
        wait_until(lambda: len(workers(tree)) >= 2, what="two workers")
        started = tree.children(recursive=True)

        survey.send_signal(signal.SIGINT)
        _, said = survey.communicate(timeout=30)

    assert survey.returncode == 130
    assert b"interrupted" in said
    _, left = psutil.wait_procs(started, timeout=10)
    assert not left


def workers(tree: psutil.Process) -> list[psutil.Process]:
    """Return the `celery` processes below a process."""
    return [one for one in tree.children(recursive=True) if "celery" in command_of(one)]


def command_of(process: psutil.Process) -> list[str]:
    """Return a process's command line, empty if it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
