"""Exits with the code of a command's thresholds."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from poolbench.errors import ExitCode
from report.result import Checked, Status


def failed(checked: Iterable[Checked]) -> list[Checked]:
    """Return the thresholds that were missed or could not be checked."""
    return [one for one in checked if one.status in {Status.MISSED, Status.UNCHECKED}]


def end_by(checked: Iterable[Checked], *, is_invalid: bool) -> None:
    """Exit with the code of failed thresholds or of an invalid measurement; else return."""
    bad = failed(checked)
    if any(one.status is Status.MISSED for one in bad):
        raise typer.Exit(ExitCode.MISSED)
    if bad or is_invalid:
        raise typer.Exit(ExitCode.INVALID)
