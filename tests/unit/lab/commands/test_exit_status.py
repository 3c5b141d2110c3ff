"""The exit code of thresholds."""

from __future__ import annotations

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
    checked = [
        Checked(
            condition="throughput_per_s < 9",
            contender="solo",
            workload="sleep",
            figure="throughput_per_s",
            number=None,
            status=Status(status),
            text="solo/sleep",
        )
        for status in statuses.split(", ")
    ]
    found = None
    try:
        end_by(checked, is_invalid=is_invalid)
    except typer.Exit as end:
        found = end.exit_code

    assert found == code
