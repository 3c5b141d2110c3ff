"""Prints crossovers, sweeps and effects of settings in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from report import format as fmt
from report.analyses.sweep_text import describe_law, figure_text, range_text
from report.palette import MARK_STYLES, row_shade
from report.result import Crossover, Effect, Summary, Sweep
from report.terminal.tables import called, plain_table


def render_crossover(summary: Summary, *, found: Crossover) -> RenderableType:
    """Return throughput over the share of computing: a line per contender, the best in bold."""
    rows = {row.contender: row for row in summary.rows}
    title = Text.assemble(
        "\n", (found.kind, "bold"), ("  jobs/s by the share of a job that computes", "dim")
    )
    table = plain_table()
    width = max(len(called(rows[line.contender])) for line in found.lines)
    table.add_column("contender", width=max(width, len("contender")), no_wrap=True)
    for share in found.shares:
        table.add_column(f"{share:g}", justify="right", no_wrap=True, ratio=1)
    medians = [{point.share: point.median for point in line.points} for line in found.lines]
    best = {share: max(one.get(share, 0.0) for one in medians) for share in found.shares}
    for line, per_s in zip(found.lines, medians, strict=True):
        row = rows[line.contender]
        table.add_row(
            "",
            Text(called(row), style=row_shade(row).dark),
            *(
                Text(
                    fmt.number(per_s.get(share)),
                    style="bold" if per_s.get(share) == best[share] else "",
                )
                for share in found.shares
            ),
        )
    return Group(title, sentence(found.text, mark=found.mark), table)


def render_sweep(sweep: Sweep, *, has_table: bool) -> RenderableType:
    """Return the description of a sweep, with a table of its points if ``has_table``."""
    where = ", ".join(filter(None, [sweep.workload, sweep.part]))
    title = Text.assemble("\n", (f"{sweep.of} by {sweep.setting}", "bold"), (f"  {where}", "dim"))
    words = describe_law(sweep)
    parts: list[RenderableType] = [title, *([sentence(words)] if words else [])]
    return Group(*parts, *([_points(sweep)] if has_table else []))


def render_effects(summary: Summary) -> Iterator[RenderableType]:
    """Yield a heading and a line for each effect of a setting."""
    if summary.effects:
        yield Text("\nEffects of single settings", style="bold")
    yield from map(_effect, summary.effects)


def sentence(text: str, *, mark: str = "") -> RenderableType:
    """Return the sentence of a section, indented, with its mark."""
    shown = Text.assemble((f"{mark} ", MARK_STYLES[mark]), text) if mark else Text(text)
    return Padding(shown, (0, 0, 0, 2))


def _effect(effect: Effect) -> Text:
    where = f"{effect.workload} ({effect.part})" if effect.part else effect.workload
    return Text.assemble(
        (f"{effect.mark or ' '} ", MARK_STYLES.get(effect.mark, "")),
        (f"{where}, {effect.contender} against {effect.against}", "bold"),
        f": {effect.text}",
    )


def _points(sweep: Sweep) -> RenderableType:
    table = plain_table()
    table.add_column(sweep.setting, justify="right", no_wrap=True)
    table.add_column(sweep.figure, justify="right", no_wrap=True)
    table.add_column("range", no_wrap=True)
    table.add_column("", ratio=1)
    largest = max((point.high or 0.0 for point in sweep.points), default=0.0)
    for point in sweep.points:
        table.add_row(
            Text(point.mark, style=MARK_STYLES.get(point.mark, "")),
            f"{point.value}".lower(),
            Text(figure_text(point.median, figure=sweep.figure), style="bold"),
            range_text(point.low, high=point.high, figure=sweep.figure),
            Bar(largest or 1.0, 0, point.median or 0.0),
        )
    return table
