"""Unlike conditions: which are named, which refuse and which are told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from collector.run_manifest import read_manifest
from report.conditions import NOTED, REFUSED, Conditions, conditions, differences
from tests.synthetic import DEMO, WORKLOADS, flat_manifest, make_run, nested

Content = dict[str, Any]

#: Topics of which no difference is accepted unless it is asked for.
REFUSING = {
    "workload", "contender", "settings", "machine", "python", "versions", "broker", "cgroup",
    "events",
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """A run of two contenders on one workload, as a machine tells of itself."""
    path = tmp_path_factory.mktemp("run")
    folder = make_run(path, blocks=2, contenders=DEMO[1:3], workloads=WORKLOADS[2:3])
    found = flat_manifest(folder)
    found["machine"] |= {"architecture": "x86_64", "gil_enabled": True, "load_average": [0.1]}
    found["celery"]["threads-4"] |= {
        "broker_url": "redis://:********@127.0.0.1:37689/0",
        "include": ["worker.tasks", "poolbench.probe"],
        "broker_transport_options": {"unacked_key": "********", "visibility_timeout": 7200},
    }
    return found


def conditions_of(content: Content) -> Conditions:
    """Return the conditions in the content of a manifest."""
    return conditions(read_manifest(nested(content), where="test"))


def changed(manifest: Content, path: str, value: object) -> Content:
    """Return a copy of the manifest with one entry set; a dot goes down, a number indexes."""
    other = copy.deepcopy(manifest)
    found: Any = other
    *keys, last = path.split("/")
    for key in keys:
        found = found[int(key) if key.isdigit() else key]
    found[last] = value
    return other


def told(manifest: Content, other: Content) -> list[tuple[str, str, bool]]:
    """Return topic, what and whether it refuses, of each difference."""
    found = differences(conditions_of(manifest), b=conditions_of(other))
    return [(one.topic, one.what, one.is_refusal) for one in found]


@pytest.mark.parametrize(
    ("path", "value", "topic", "what"),
    [
        ("workloads/0/kind", "io.http", "workload", "io.sleep: kind"),
        ("workloads/0/parameters/delay_ms", 80.0, "workload", "io.sleep: parameters.delay_ms"),
        ("contenders/0/pool", "solo", "contender", "threads-4: pool"),
        ("contenders/1/slots", 8, "contender", "gevent-4: slots"),
        ("celery/threads-4/task_acks_late", True, "settings", "threads-4: task_acks_late"),
        # of an address, scheme and host count
        (
            "celery/threads-4/broker_url", "redis://10.0.0.9:6379/0",
            "settings", "threads-4: broker_url",
        ),
        # what one run doesn't know: not one difference a setting, which nobody could read
        ("celery/threads-4", {}, "settings", "threads-4"),
        ("machine/cpu_model", "Another CPU", "machine", "cpu_model"),
        ("machine/cores", 8, "machine", "cores"),
        ("machine/architecture", "aarch64", "machine", "architecture"),
        ("machine/memory_bytes", 8_000_000_000, "machine", "memory_bytes"),
        ("machine/python", "CPython 3.14.0", "python", "version"),
        ("machine/python", "PyPy 3.13.1", "python", "version"),
        ("machine/gil_enabled", False, "python", "gil_enabled"),
        ("versions/celery", "5.6.0", "versions", "celery"),
        ("broker/version", "8.0.0", "broker", "version"),
        ("broker/origin", "POOLBENCH_REDIS_URL", "broker", "origin"),
        ("cgroup/cpu_max", "50000 100000", "cgroup", "cpu_max"),
        ("events", True, "events", "on"),
        # what a run compares, or what moves no figure by itself, refuses nothing
        ("machine/os", "Linux 6.13", "system", "os"),
        ("machine/python", "CPython 3.13.9", "system", "python"),
        ("versions/poolbench", "0.2.0", "tools", "poolbench"),
        ("git/commit", "f" * 40, "run", "commit"),
        ("git/is_dirty", True, "run", "commit"),
        ("profile", "bench", "run", "profile"),
        ("experiment/sha256", "0" * 64, "run", "experiment"),
        ("seed", 99, "run", "seed"),
        # two runs never share their ports, the order of a set, a byte of memory or labels
        ("celery/threads-4/broker_url", "redis://:********@127.0.0.1:43363/0", "", ""),
        ("celery/threads-4/include", ["poolbench.probe", "worker.tasks"], "", ""),
        ("celery/threads-4/broker_connection_timeout", None, "", ""),
        ("machine/memory_bytes", 15_900_000_000, "", ""),
        ("machine/load_average", [1.9], "", ""),
        ("contenders/0/note", "said otherwise", "", ""),
        ("repetitions", 9, "", ""),
        ("run", "another", "", ""),
    ],
)  # fmt: skip
def test_a_difference_is_named_and_some_refuse(
    manifest: Content, path: str, value: object, topic: str, what: str
) -> None:
    """Jobs, contenders, settings, machine, limits, Python, versions, broker, events refuse."""
    found = told(manifest, changed(manifest, path, value))

    if topic in REFUSING:
        assert (topic, what, True) in found
    else:
        assert found == ([(topic, what, False)] if topic else [])


def test_defaults_and_targets_of_jobs_are_no_conditions(manifest: Content) -> None:
    """A summary that an earlier version kept lacks the newer keys, and stays comparable.

    A target changes what is said of a given rate, and the rate that is searched for.
    """
    short = {"name": "short", "kind": "io.sleep", "parameters": {}, "share": 1.0}
    mix = [{**short, "options": {"queue": "fast"}, "slo": {"p95_wait_s": 1.0}}]
    own = {"slo": {"p99_wait_s": 2.0}, "mix": mix, "arrivals": {"how": "poisson"}}

    given: dict[str, Any] = {}
    for measure in ("rate", "sustain"):
        described = {**manifest["workloads"][0], **own, "measure": measure}
        given[measure] = jobs_of({**manifest, "workloads": [described]})

    plain = {"kind", "parameters.delay_ms", "arrivals", "rate_per_s"}
    assert jobs_of(manifest).keys() == plain
    assert given["rate"]["mix"] == [{**short, "options": {"queue": "fast"}}]
    assert "slo.p99_wait_s" not in given["rate"]
    assert given["sustain"]["slo.p99_wait_s"] == 2.0
    assert "slo" in str(given["sustain"]["mix"])


def jobs_of(content: Content) -> dict[str, Any]:
    """Return the conditions of the one workload."""
    found: Any = conditions_of(content)
    return dict(found["workload"]["io.sleep"])


def test_secrets_are_not_kept(manifest: Content) -> None:
    """What Celery censored is left out, and an address loses its credentials."""
    settings = conditions_of(manifest)["settings"]["threads-4"]

    assert isinstance(settings, dict)
    assert "*" not in str(settings)
    assert settings["broker_url"] == "redis://127.0.0.1"


def test_units_of_a_calibration_are_told(manifest: Content) -> None:
    """8 ms of work came to 96 units in one run and to 99 in another: no refusal, and no secret."""
    mine, theirs = copy.deepcopy(manifest), copy.deepcopy(manifest)
    for one, units in ((mine, 96), (theirs, 99)):
        one["workloads"][0] |= {"kind": "cpu.primes", "parameters": {"work_ms": 8.0}}
        for plan in one["trials"]:
            plan["parameters"] = {"units": units}

    (found,) = differences(conditions_of(mine), b=conditions_of(theirs))

    assert str(found) == "work io.sleep: units: 96 in A, 99 in B"
    assert not found.is_refusal


def test_a_contenders_own_python_counts_and_its_path_does_not(manifest: Content) -> None:
    """The same build somewhere else is the same; another version is not."""
    found = {
        "path": "/a/bin/python",
        "python": "CPython 3.14.2",
        "is_free_threaded": True,
        "gil_enabled": False,
        "gil_turned_on_by": [],
        "versions": {"celery": "5.7.0"},
    }
    mine = changed(manifest, "contenders/0/interpreter", "free-threaded")
    mine["interpreters"] = {"free-threaded": found}
    moved = changed(mine, "contenders/0/interpreter", "/b/bin/python")
    moved["interpreters"] = {"/b/bin/python": found | {"path": "/b/bin/python"}}
    newer = changed(mine, "interpreters/free-threaded/python", "CPython 3.15.0")

    assert told(mine, moved) == []
    assert told(mine, newer) == [("contender", "threads-4: interpreter.python", True)]


def test_the_content_of_a_recording_is_a_condition_and_its_place_is_not(
    manifest: Content,
) -> None:
    """The same file may be elsewhere on another machine."""
    known = {"file": "/a/shop.pbrec", "sha256": "1" * 64}
    mine = changed(manifest, "workloads/0/recorded", known)
    moved = changed(mine, "workloads/0/recorded/file", "/b/shop.pbrec")
    other = changed(mine, "workloads/0/recorded/sha256", "2" * 64)

    assert told(mine, moved) == []
    ((topic, what, is_refusal),) = told(mine, other)
    assert (topic, is_refusal) == ("workload", True)
    assert what.endswith("recorded.sha256")


def test_refusals_come_first_and_read_as_a_sentence(manifest: Content) -> None:
    """Topic, what, and the value in each run; a contender that only one has is no difference."""
    other = changed(changed(manifest, "git/commit", "f" * 40), "machine/cores", 8)
    other["contenders"].append({"name": "solo", "pool": "solo", "slots": 1, "note": ""})

    found = differences(conditions_of(manifest), b=conditions_of(other))

    assert [str(one) for one in found] == [
        "machine cores: 2 in A, 8 in B",
        "run commit: 0123456789ab in A, ffffffffffff in B",
    ]


def test_every_topic_is_documented() -> None:
    """docs/compare.md lists what refuses and what is told."""
    page = Path("docs/compare.md").read_text(encoding="utf-8")

    for topic, meaning in {**REFUSED, **NOTED}.items():
        assert f"| `{topic}` | {meaning} |" in page
