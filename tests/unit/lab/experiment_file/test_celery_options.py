"""Celery's settings and arguments in an experiment file, and several workers and queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.run_manifest import MIXED_POOLS
from poolbench.keys import NAME
from tests.unit.lab.experiment_file.test_loader import MINIMAL, faults_of, load

PLAIN = MINIMAL.replace('pool = "solo"\nslots = 1', 'pool = "prefork"\nslots = 8')

GROUPED = (
    PLAIN.replace(
        'pool = "prefork"\nslots = 8',
        """\
settings = { acks_late = true }
celery = { broker_transport_options = { visibility_timeout = 5, socket_timeout = 9 } }
arguments = ["--max-tasks-per-child", "50"]
[[contender.group]]
name = "cpu"
pool = "prefork"
slots = 4
celery = { broker_transport_options = { visibility_timeout = 6 } }
arguments = ["-O", "fair"]
[[contender.group]]
name = "io"
pool = "gevent"
slots = 50
workers = 2
queues = ["io"]
settings = { prefetch_multiplier = 0 }
""",
    )
    + 'queue = "io"\n'
)


def given(line: str, *, text: str = PLAIN) -> str:
    """Return an experiment whose contender has one more line."""
    return text.replace("slots = 8", f"slots = 8\n{line}")


def test_any_setting_and_argument_of_celery_can_be_given(tmp_path: Path) -> None:
    """They are kept as they are written, tables too."""
    line = (
        "celery = { worker_prefetch_multiplier = 0, task_time_limit = 3, "
        "broker_transport_options = { visibility_timeout = 5 } }\n"
        'arguments = ["--disable-prefetch", "--autoscale=1,8", "-O", "fair"]'
    )

    (contender,) = load(tmp_path, given(line)).contenders

    assert contender.celery == {
        "worker_prefetch_multiplier": 0,
        "task_time_limit": 3,
        "broker_transport_options": {"visibility_timeout": 5},
    }
    assert contender.arguments == ("--disable-prefetch", "--autoscale=1,8", "-O", "fair")


FAULTS = [
    ("celery = { worker_eta_limit = 5 }", "unknown setting of Celery. Did you mean worker_eta_ta"),
    ("celery = { xyzzy = 5 }", "celery.xyzzy = 5 is invalid: unknown setting of Celery. Look it"),
    ("celery = { CELERYD_PREFETCH_MULTIPLIER = 5 }", "unknown setting of Celery."),
    ("celery = { task_time_limit = '3' }", 'task_time_limit = "3" is invalid: must be a number.'),
    ("celery = { worker_prefetch_multiplier = 0.5 }", "= 0.5 is invalid: must be a whole number."),
    ("celery = { task_track_started = 1 }", "= 1 is invalid: must be true or false."),
    ("celery = { worker_eta_task_limit = true }", "= true is invalid: must be a whole number."),
    ("celery = { broker_transport_options = 5 }", "must be a table."),
    ("celery = { task_annotations = { a = 2026-01-01 } }", "must be a text, number, true, false"),
    ("celery = { broker_url = 'redis://' }", "all workers use the run's broker. Set POOLBENCH_"),
    ("celery = { redis_db = 3 }", "results are stored in the run's broker. Write settings = {"),
    (
        "celery = { task_ignore_result = true }",
        "each message specifies whether its result is stored.",
    ),
    ("celery = { worker_pool = 'solo' }", "pool is a key of its own. Write it next to name."),
    ("celery = { task_default_queue = 'a' }", "Poolbench names the queues. Write queues."),
    ("celery = { beat_schedule = {} }", "no beat is started. Leave it out."),
    ("celery = { task_serializer = 'yaml' }", "it has an effect where jobs are sent, and Pool"),
    (
        "celery = { broker_transport_options = { unacked_key = 'a' } }",
        'contender.celery.broker_transport_options.unacked_key = "a" is invalid: it separates the',
    ),
    (
        "celery = { broker_transport_options = { visibilty_timeout = 5 } }",
        "= 5 is invalid: unknown option of the broker. Did you mean visibility_timeout?",
    ),
    ("arguments = ['--max-task-per-child', '5']", "unknown option of celery worker. Did you mean"),
    ("arguments = ['--xyzzy']", "unknown option of celery worker. See celery worker --help."),
    ("arguments = ['-O', 'fast']", "'fast' is not one of 'default', 'fair'"),
    ("arguments = ['--time-limit', 'x']", "'x' is not a valid float"),
    ("arguments = ['--time-limit']", "requires an argument"),
    ("arguments = ['worker.pool=solo']", "it is no option."),
    ("arguments = ['-c', '4']", 'arguments = "-c" is invalid: slots is a key of its own.'),
    ("arguments = ['-Qa']", "Poolbench names the queues. Write queues."),
    ("arguments = ['--without-gossip']", "it is off unless a setting turns it on."),
    ("arguments = ['--prefetch-multiplier', '0']", "Celery ignores 0 in an argument. Write cel"),
    ("arguments = ['--autoscale', '4,1']", "slots must be the largest number of --autoscale. W"),
    (
        "settings = { acks_late = true }\ncelery = { task_acks_late = true }",
        "settings.acks_late sets it too. Write one of the two.",
    ),
    (
        "celery = { task_time_limit = 3 }\narguments = ['--time-limit', '3']",
        'arguments = "--time-limit" is invalid: celery.task_time_limit sets it too.',
    ),
    ("workers = 0", "contender.workers = 0 is invalid: must be at least 1."),
    ("queues = []", "must have at least 1 item"),
    ("queues = ['a']", 'contender.queues = "a" is invalid: no workload sends jobs to this queue.'),
    ("queues = ['a']", "workload.queue is invalid: one doesn't consume the default queue."),
]


@pytest.mark.parametrize(("line", "words"), FAULTS)
def test_what_celery_or_poolbench_refuses_is_a_fault(tmp_path: Path, line: str, words: str) -> None:
    """With what is wrong, and what to write instead."""
    faults = faults_of(tmp_path, given(line))

    assert any(words in fault for fault in faults), faults


def test_groups_have_what_their_contender_sets_for_all(tmp_path: Path) -> None:
    """A group's own settings come before the contender's; slots are those of all workers."""
    (contender,) = load(tmp_path, GROUPED).contenders

    cpu, io = contender.crew
    assert (contender.pool, contender.slots) == (MIXED_POOLS, 4 + 2 * 50)
    assert (io.slots, io.workers, io.queues) == (50, 2, ("io",))
    assert io.settings == {"acks_late": True, "prefetch_multiplier": 0}
    options = {"visibility_timeout": 6, "socket_timeout": 9}
    assert cpu.celery == {"broker_transport_options": options}
    assert cpu.arguments == ("--max-tasks-per-child", "50", "-O", "fair")
    assert contender.queues_consumed == {"", "io"}


def test_two_workers_are_one_group(tmp_path: Path) -> None:
    """The contender's slots are those of both, and each worker's its own."""
    (contender,) = load(tmp_path, given("workers = 2")).contenders

    (group,) = contender.crew
    assert (contender.slots, group.slots, group.workers, group.name) == (16, 8, 2, "")


@pytest.mark.parametrize(
    ("pool", "line", "words"),
    [
        (
            "threads",
            "celery = { task_time_limit = 3 }",
            "celery.task_time_limit = 3 is invalid: po",
        ),
        ("gevent", "arguments = ['--soft-time-limit', '3']", "pool gevent ignores it. Leave it"),
        ("asyncio", "arguments = ['--max-tasks-per-child', '3']", "pool asyncio ignores it."),
        ("gevent", "arguments = ['-O', 'fair']", "pool gevent ignores it."),
        ("threads", "arguments = ['--autoscale', '8,1']", "a worker with pool threads ends with"),
    ],
)
def test_what_a_pool_ignores_is_a_fault(tmp_path: Path, pool: str, line: str, words: str) -> None:
    """As docs/pools.md found; the same is accepted where it has an effect."""
    text = given(line)
    load(tmp_path, text)

    faults = faults_of(tmp_path, text.replace('"prefork"', f'"{pool}"'))

    assert any(words in fault for fault in faults), faults


GROUP_FAULTS = [
    ('pool = "gevent"', 'pool = "gevnt"', 'group.pool = "gevnt" is invalid: unknown pool. Did'),
    ('name = "io"\n', 'name = "cpu"\n', "it is listed twice. Rename one."),
    ("workers = 2", "wrkers = 2", "group.wrkers = 2 is invalid: unknown key. Did you mean work"),
    ("prefetch_multiplier = 0", "payload_bytes = 9", "it concerns all groups. Write it in the se"),
    ("workers = 2", "celery = { task_acks_late = true }", "settings.acks_late sets it too."),
    ("settings = { acks", "slots = 4\nsettings = { acks", "unknown key. Write it in each group."),
    ('queues = ["io"]', 'queues = ["oi"]', "no workload sends jobs to this queue. Use one of io"),
    ("slots = 4\n", 'slots = 4\nqueues = ["cpu"]\n', '"cpu" is invalid: no workload sends jobs'),
    (
        "slots = 4\n",
        'slots = 4\nqueues = ["io"]\n',
        'workload.queue = "web" is invalid: one consumes neither queue "web" nor its default',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), GROUP_FAULTS)
def test_a_fault_of_a_group_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Also what only the contender's keys together with the group's make wrong."""
    text = GROUPED.replace(old, new)
    if "web" in words:
        text += '[[workload]]\nname = "web"\nkind = "io.sleep"\nqueue = "web"\n'

    faults = faults_of(tmp_path, text)

    assert any(words in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("setting", "values", "names"),
    [
        ("workers", "[2, 1]", ["one.workers-1", "one.workers-2"]),
        (
            "celery.worker_prefetch_multiplier",
            "[4, 0]",
            ["one.worker_prefetch_multiplier-0", "one.worker_prefetch_multiplier-4"],
        ),
        (
            "celery.broker_transport_options.visibility_timeout",
            "[5, 50]",
            ["one.visibility_timeout-5", "one.visibility_timeout-50"],
        ),
        (
            "celery.worker_pool_start_method",
            '["spawn", "Fork it"]',
            ["one.worker_pool_start_method-spawn", "one.worker_pool_start_method-fork-it"],
        ),
    ],
)
def test_any_of_it_can_be_swept(
    tmp_path: Path, setting: str, values: str, names: list[str]
) -> None:
    """Numbers ascend and texts don't; the names of the points are names."""
    base = "celery = { broker_transport_options = { socket_timeout = 9 } }"
    sweep = f'[sweep]\nof = "one"\nsetting = "{setting}"\nvalues = {values}\n'

    found = load(tmp_path, given(base) + sweep).contenders

    assert [one.name for one in found] == names
    assert all(NAME.fullmatch(one.name) for one in found)
    assert all(one.celery["broker_transport_options"]["socket_timeout"] == 9 for one in found)


def test_a_setting_of_one_group_can_be_swept(tmp_path: Path) -> None:
    """The other groups keep theirs; a contender without that group is a fault."""
    sweep = '[sweep]\nof = "one"\nsetting = "group.io.slots"\nvalues = [8, 4]\n'

    first, second = load(tmp_path, GROUPED + sweep).contenders
    faults = faults_of(tmp_path, GROUPED + sweep.replace("group.io", "group.oi"))

    assert [first.name, second.name] == ["one.slots-4", "one.slots-8"]
    assert [[group.slots for group in one.crew] for one in (first, second)] == [[4, 4], [4, 8]]
    assert "sweep.values = 8 is invalid: one has no group oi." in faults[0] + faults[1]
