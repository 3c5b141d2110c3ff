"""The `[[workload]]` table of a recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.experiment.model import Experiment
from lab.experiment_file.loader import load_experiment
from poolbench.errors import UsageError
from tests.recordings import jobs_of, write_recording

HEAD = """\
title = "Replay"
[profile.demo]
repetitions = 1
trial_s = 1
contenders = ["one"]
[[contender]]
name = "one"
pool = "threads"
slots = 4
"""


def load(folder: Path, *lines: str, head: str = HEAD) -> Experiment:
    """Return the experiment with a workload of a recording of two tasks."""
    jobs = [*jobs_of("a", [1.0, 2.0], {"core_held": 0.01}), *jobs_of("b", [3.0], {"io_wait": 0.1})]
    write_recording(folder / "shop.pbrec", jobs)
    text = "\n".join([head, "[[workload]]", 'recorded = "shop.pbrec"', *lines])
    file = folder / "experiment.toml"
    file.write_text(text)
    return load_experiment(file, profile="demo", cores=2)


def test_a_recording_is_a_mix_of_its_tasks_at_its_rate(tmp_path: Path) -> None:
    """The file is relative to the experiment's; its name is the workload's."""
    experiment = load(tmp_path)

    (workload,) = experiment.workloads
    assert (workload.name, workload.measure) == ("shop", "rate")
    assert [part.name for part in workload.mix] == ["a.stand-in", "b.stand-in"]
    assert [part.share for part in workload.mix] == pytest.approx([2 / 3, 1 / 3])
    assert workload.arrivals == {"how": "recorded", "rate_per_s": 1.5, "count": 3}
    assert experiment.replays["shop"].count == 3


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (['tasks = ["b"]'], 1),
        (["first_s = 1.5"], 1),
        (["from_s = 1.5", "to_s = 2.5"], 1),
        (['measure = "capacity"'], 3),
        (['measure = "sustain"', "slo = { p95_wait_s = 1.0 }"], 3),
    ],
)
def test_a_part_of_it_can_be_measured(tmp_path: Path, lines: list[str], count: int) -> None:
    """Some tasks, or some time, at any measure of jobs."""
    assert load(tmp_path, *lines).replays["shop"].count == count


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (['tasks = ["c"]'], 'tasks = "c" is invalid: not recorded'),
        (["from_s = 9.0"], "no finished execution is in this part"),
        (["to_s = 1.0", "first_s = 2.0"], "a part has to_s or first_s"),
        (['measure = "sustain"'], "sustain needs an SLO"),
        (['call = [{ task = "a", args = [1] }]'], "without an app, all jobs are stand-ins"),
        (["rate_per_s = 5.0"], "write speed"),
        (['kind = "io.sleep"'], "the jobs are those of the recording"),
    ],
)
def test_faults_name_what_to_write(tmp_path: Path, lines: list[str], fault: str) -> None:
    """Nothing is started."""
    with pytest.raises(UsageError) as error:
        load(tmp_path, *lines)

    assert fault.lower() in str(error.value).lower()


def test_a_queue_that_no_worker_consumes_is_a_fault(tmp_path: Path) -> None:
    """Its jobs would wait for ever."""
    with pytest.raises(UsageError, match="neither queue"):
        load(tmp_path, head=f'{HEAD}queues = ["mail"]\n')
