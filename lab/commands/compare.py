"""`poolbench compare`: compares two runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from collector.files import write_whole
from lab.commands.exit_status import end_by, failed
from lab.commands.run_lookup import SUMMARY_HELP, find_run, output_faults, read_summary
from poolbench.errors import Fault, UsageError, unknown
from poolbench.settings import load_settings
from report.compare.check import check_conditions
from report.compare.compare import NOISE, compare
from report.compare.junit import to_junit
from report.compare.markdown import to_markdown
from report.compare.model import Comparison
from report.compare.terminal import render
from report.conditions import REFUSED
from report.result import Checked
from report.statistics.ratios import rounded
from report.verdicts.fail_on import parse_conditions

_output = Console()
_messages = Console(stderr=True)

Run = Annotated[str, typer.Argument(help=SUMMARY_HELP)]


def compare_runs(
    a: Run,
    b: Run,
    *,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION", help='Exit with 99 if this is true, such as "throughput < 0.95".'
        ),
    ] = None,
    across: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOPIC",
            help="Ignore an intended difference: versions, python, settings…",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Compare runs with different conditions; the output contains a warning."
        ),
    ] = False,
    noise: Annotated[
        float, typer.Option(min=0, max=1, help="Treat a change below this share as no difference.")
    ] = NOISE,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a pull request.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON; docs/schemas/compare.schema.json describes it."),
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write JUnit XML to this file.")
    ] = None,
) -> None:
    """Compare run B with run A; print the changes that exceed the noise."""
    conditions, faults = parse_conditions(fail_on or [])
    faults += output_faults(junit, option="--junit")
    if as_markdown and as_json:
        problem = "can't be combined with --json"
        faults.append(Fault(field="--markdown", problem=problem, remedy="leave out one of them"))
    across = across or []
    for topic in (one for one in across if one not in REFUSED):
        faults.append(unknown("topic", field="--across", seen=topic, among=REFUSED))
    first, second = map(read_summary, _find_runs(a, b, faults=faults))
    comparison = compare(first, b=second, across=across, is_forced=force, noise=noise)
    _refuse(comparison)
    checked = check_conditions(conditions, comparison=comparison)
    if junit is not None:
        content = to_junit(comparison, checked=checked)
        write_whole(junit, content)
    if as_json:
        sys.stdout.write(to_json(comparison, checked=checked))
    elif as_markdown:
        sys.stdout.write(to_markdown(comparison, checked=checked))
    else:
        _output.print(render(comparison, checked=checked))
    if as_json or as_markdown:
        for one in failed(checked):
            line = f'{one.status}: {one.text} (--fail-on "{one.condition}")'
            _messages.print(escape(line), highlight=False, soft_wrap=True)
    end_by(checked, is_invalid=any(row.mark == "!" for row in comparison.rows))


def to_json(comparison: Comparison, *, checked: Sequence[Checked]) -> str:
    """Return the comparison as docs/schemas/compare.schema.json describes it."""
    whole = {**comparison.as_dict(), "conditions": [asdict(one) for one in checked]}
    return json.dumps(rounded(whole), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _find_runs(*words: str, faults: list[Fault]) -> list[Path]:
    """Return the paths of runs A and B.

    Raises:
        UsageError: with ``faults`` and those of ``words``.
    """
    paths: list[Path] = []
    for argument, word in zip("AB", words, strict=True):
        try:
            paths.append(find_run(word, results_dir=load_settings().results_dir, argument=argument))
        except UsageError as error:
            faults += error.faults
    if faults:
        raise UsageError(*faults)
    return paths


def _refuse(comparison: Comparison) -> None:
    """Refuse a comparison.

    Raises:
        UsageError: with each differing condition, or if no row can be compared.
    """
    if not comparison.rows:
        remedy = "name two runs of one experiment"
        raise UsageError(Fault(problem="A and B have no row in common", remedy=remedy))
    if comparison.is_forced:
        return
    faults = []
    for one in comparison.refusals:
        remedy = f"add --across {one.topic} if you compare that, or --force"
        faults.append(Fault(problem="different conditions", seen=str(one), remedy=remedy))
    if faults:
        raise UsageError(*faults)
