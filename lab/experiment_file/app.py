"""The `[app]` table of an experiment file: a Celery app of the user's whose tasks are measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from lab.experiment.file_table import FileTable, broken
from lab.experiment.worker_settings import Tuning
from lab.experiment_file.contenders import AnyContender, GroupedInput
from lab.experiment_file.rules import Broken
from lab.experiment_file.workloads import AnyWorkload, StartInput

#: A module, or a module and the app in it, as after ``celery -A``.
_MODULE = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*)?")

#: Settings of a contender that concern Poolbench's own jobs and workers, each with the reason.
_OF_OWN_JOBS: Mapping[str, str] = {
    "result_backend": "the app and its tasks decide which results are stored",
    "payload_bytes": "the app's tasks have the arguments of the workload",
    "flower": "Flower is available for Poolbench's own workers only",
}


def _is_a_module(module: str) -> str:
    if not _MODULE.fullmatch(module):
        remedy = 'write it as after celery -A: "shop", or "shop.celery:app"'
        raise broken("must be a module, or module:app", remedy=remedy)
    return module


class AppInput(FileTable):
    """A Celery app of yours whose tasks are measured, in its own Python."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("task", "args", "kwargs", "arguments"), "write it in [[workload]]"
    )

    #: The app, as after `celery -A`.
    module: Annotated[str, Field(min_length=1), AfterValidator(_is_a_module)]
    #: Its Python, in which Poolbench's wheel is installed: a path, relative to this file;
    #: Poolbench's own by default.
    python: str = ""
    #: Folder that it is started in: a path, relative to this file; this file's folder by default.
    directory: str = ""


def app_faults(
    contenders: Iterable[AnyContender], *, workloads: Iterable[AnyWorkload]
) -> Iterator[Broken]:
    """Yield what has no effect on the workers and jobs of an app."""
    for index, contender in enumerate(contenders):
        groups = contender.group if isinstance(contender, GroupedInput) else ()
        tables = [((), contender), *((("group", number), one) for number, one in enumerate(groups))]
        for keys, table in tables:
            place = ("contender", index, *keys)
            if table.interpreter:
                remedy = "leave it out, or write python in [app]"
                yield (*place, "interpreter"), broken("the app's Python runs it", remedy=remedy)
            for name in table.settings.keys() & _OF_OWN_JOBS:
                if table.settings[name] != Tuning.model_fields[name].default:
                    found = broken(_OF_OWN_JOBS[name], remedy="leave it out")
                    yield (*place, "settings", name), found
    for index, workload in enumerate(workloads):
        for name in ("import_ms", "import_mb") if isinstance(workload, StartInput) else ():
            if getattr(workload, name):
                found = broken("the app's own import is measured", remedy="leave it out")
                yield ("workload", index, name), found
