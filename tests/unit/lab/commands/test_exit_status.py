"""The exit code of thresholds."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import typer

from lab.commands.exit_status import end_by
from poolbench.errors import ExitCode
from report.result import Checked, Status


@pytest.mark.parametrize(
    ("statuses", "is_invalid", "code"),
    [
        ("met, not measured", False, None),
        ("met, missed, not checked", True, ExitCode.MISSED),
        ("met, not checked", False, ExitCode.INVALID),
        ("met", True, ExitCode.INVALID),
    ],
)
def test_a_missed_threshold_counts_more_than_one_that_nobody_could_check(
    *, statuses: str, is_invalid: bool, code: ExitCode | None
) -> None:
    """A row that this run did not measure fails nothing."""
    some = Checked(
        condition="throughput_per_s < 9",
        contender="solo",
        workload="sleep",
        figure="throughput_per_s",
        number=None,
        status=Status.MET,
        text="solo/sleep",
    )
    checked = [replace(some, status=Status(status)) for status in statuses.split(", ")]

    with nullcontext() if code is None else pytest.raises(typer.Exit) as end:
        end_by(checked, is_invalid=is_invalid)

    assert end is None or end.value.exit_code == code
