"""An app of the user's in an experiment file: its tasks as jobs, and what has no effect there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from collector.run_manifest import App, AppCall
from poolbench.job_options import JobOptions
from tests.unit.lab.experiment_file.test_loader import MINIMAL, faults_of, load

APP = (
    MINIMAL.replace("[profile.demo]", '[app]\nmodule = "shop"\n\n[profile.demo]')
    .replace('kind = "io.sleep"', 'task = "shop.Thumbnail"')
    .replace("parameters = { delay_ms = 10 }", "args = [20]")
)  # fmt: skip

MIXED_APP = APP.replace('task = "shop.Thumbnail"\nargs = [20]\n', 'name = "shop"\n') + (
    '\n[[workload.mix]]\nname = "mail"\ntask = "shop.mail"\nkwargs = { to = "a" }\nshare = 0.9\n'
    'queue = "mail"\npriority = 3\n'
    '\n[[workload.mix]]\nname = "thumb"\ntask = "shop.thumb"\narguments = "bench:thumb"\n'
    "share = 0.1\n"
)


def test_a_task_is_a_mix_of_one_part(tmp_path: Path) -> None:
    """The task's name is the part's kind and the workload's name; a part's name has no capitals."""
    experiment = load(tmp_path, APP)

    assert experiment.app == App(
        module="shop", python=str(Path(sys.executable).absolute()), directory=str(tmp_path)
    )
    (workload,) = experiment.workloads
    (part,) = workload.mix
    assert (workload.name, part.name, part.kind) == (
        *("shop.Thumbnail", "shop.thumbnail", "shop.Thumbnail"),
    )
    assert part.call == AppCall(args=(20,))


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """The links of a Python are kept, since they determine its packages."""
    (tmp_path / "env").symlink_to(tmp_path)
    text = APP.replace('"shop"\n', '"shop"\npython = "env/python"\ndirectory = "app"\n', 1)

    app = load(tmp_path, text).app

    assert app is not None
    assert (app.python, app.directory) == (
        *(str(tmp_path / "env" / "python"), str(tmp_path / "app")),
    )


def test_parts_have_tasks_with_arguments_and_options(tmp_path: Path) -> None:
    """Arguments are written, or come from a function; job options are Celery's."""
    mail, thumb = load(tmp_path, MIXED_APP).workloads[0].mix

    assert (mail.kind, mail.call) == ("shop.mail", AppCall(kwargs={"to": "a"}))
    assert mail.options == JobOptions(queue="mail", priority=3)
    assert thumb.call == AppCall(function="bench:thumb")


def test_an_app_names_its_queues_as_it_likes(tmp_path: Path) -> None:
    """They are Celery's own; Poolbench's are names, which are parts of keys."""
    text = MIXED_APP.replace('queue = "mail"', 'queue = "Mail:high"')

    mail, _ = load(tmp_path, text).workloads[0].mix

    assert mail.options.queue == "Mail:high"
    (fault,) = faults_of(tmp_path, MINIMAL + 'queue = "Mail"\n')
    assert 'workload.queue = "Mail" is invalid: must have at most 64 lowercase letters' in fault


FAULTS = [
    (MIXED_APP.replace('queue = "mail"', 'queue = "a,b"'), "queue", "neither spaces nor commas"),
    (MINIMAL + 'task = "a"\n', "workload.task", 'no app is named. Write [app] with module = "'),
    (APP.replace("task", "kind"), "workload.kind", "the workers of [app] run the app's tasks"),
    (APP.replace('"shop"\n', '"shop app"\n', 1), "app.module", "must be a module, or module:app"),
    (APP.replace("args = [20]", "args = [2020-01-01]"), "args", "must be texts, numbers, true"),
    (APP + 'arguments = "a:b"\n', "workload.arguments", "args and kwargs are given too"),
    (APP.replace("args = [20]", 'arguments = "a.b"'), "arguments", "must be module:function"),
    (APP.replace('task = "shop.Thumbnail"', 'name = "a"'), "args", "only a task of [app] has it"),
    (APP + "fail_share = 0.5\n", "fail_share", "only Poolbench's own kinds of jobs have it"),
    (APP + "parameters = { a = 1 }\n", "task", "a task has no parameters. Write args, kwargs or"),
    (
        APP.replace("slots = 1", 'slots = 1\ninterpreter = "python3"'),
        *("contender.interpreter", "the app's Python runs it"),
    ),
    (
        APP.replace("slots = 1", "slots = 1\nsettings = { result_backend = true }"),
        *("contender.settings.result_backend", "the app and its tasks decide which results"),
    ),
    (APP + '[[workload]]\nmeasure = "start"\nimport_ms = 5\n', "import_ms", "the app's own import"),
    (MIXED_APP.replace("share = 0.1", 'kind = "io.sleep"\nshare = 0.1'), "kind", "run the app's"),
    (APP.replace("module", "modul"), "app.modul", "unknown key. Did you mean module?"),
    (APP.replace("args", "arg"), "workload.arg", "unknown key. Did you mean args?"),
]


@pytest.mark.parametrize(("text", "field", "problem"), FAULTS, ids=[one[1] for one in FAULTS])
def test_what_has_no_effect_is_a_fault(tmp_path: Path, text: str, field: str, problem: str) -> None:
    """Of an app, and of tasks without one."""
    faults = faults_of(tmp_path, text)

    assert any(field in fault and problem in fault for fault in faults), faults
