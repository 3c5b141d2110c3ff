"""Formats a comparison of two runs as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from report import format as fmt
from report.compare.model import Comparison, Outcome, RowChange
from report.compare.wording import by_condition, forced, headline, legend, remarks, side
from report.legend import claim
from report.result import Checked
from report.verdicts.metrics import FIGURES, Figure

#: Outcome → sign after a ratio, because a table in a pull request has no colours.
_SIGNS = {Outcome.BETTER: " 🟢", Outcome.WORSE: " 🔴"}

#: The figures of the first table, with their titles.
_MAIN = {"throughput": "throughput", "cpu": "CPU", "pss": "PSS"}


def to_markdown(comparison: Comparison, *, checked: Sequence[Checked]) -> str:
    """Return the whole comparison; waits and executions are collapsed below each table."""
    return "\n".join(_lines(comparison, checked=checked)) + "\n"


def _lines(comparison: Comparison, *, checked: Sequence[Checked]) -> Iterator[str]:
    yield f"### Poolbench: {headline(comparison)}"
    yield ""
    for one in forced(comparison):
        yield f"- **{_text(one)}**"
    for head, bad in by_condition(checked):
        text, _, passing = head.rpartition(": ")
        yield f"- {'❌' if bad else '✅'} `{text}`: {passing}"
        yield from (f"  - **{one.status}** {_text(one.text)}" for one in bad)
    yield f"- {_text(side('A', summary=comparison.a))}"
    yield f"- {_text(side('B', summary=comparison.b))}"
    for one in remarks(comparison):
        yield f"- {_text(one)}"
    for workload in dict.fromkeys(row.workload for row in comparison.rows):
        yield from _section([row for row in comparison.rows if row.workload == workload])
    yield ""
    words = "; ".join(f"{word}: {meaning}" for word, meaning in legend(comparison))
    yield f"<sub>{_text(words)}</sub>"


def _section(rows: Sequence[RowChange]) -> Iterator[str]:
    spans = [figure for figure in FIGURES.values() if figure.span]
    throughput = FIGURES["throughput"]
    yield from ("", f"#### {_text(rows[0].workload)}", "")
    yield from _head(["", "contender", "jobs/s A", "B", *_MAIN.values()])
    for row in rows:
        change = row.change(throughput)
        values = [throughput.show(value) for value in (change.a, change.b)]
        yield _line([*_name(row), *values, *(_cell(row, figure=FIGURES[name]) for name in _MAIN)])
    yield from ("", "<details><summary>wait and execution</summary>", "")
    yield from _head(["", "contender", *(figure.title for figure in spans)])
    for row in rows:
        yield _line([*_name(row), *(_cell(row, figure=figure) for figure in spans)])
    yield from ("", "</details>", "")
    for row in rows:
        if row.reasons:
            mark, contender = _name(row)
            yield f"- {mark} **{contender}**: {_text('; '.join(row.reasons))}"


def _head(titles: Sequence[str]) -> Iterator[str]:
    yield _line(titles)
    yield _line(["---", "---", *["---:"] * (len(titles) - 2)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _name(row: RowChange) -> tuple[str, str]:
    # Markdown may read a single tilde as strikethrough
    return f"`{row.mark}`" if row.mark else "", _text(row.contender)


def _cell(row: RowChange, *, figure: Figure) -> str:
    change = row.change(figure)
    if change.ratio is None:
        return change.reason or fmt.NOTHING
    value, sign = claim(change.ratio), _SIGNS.get(change.outcome)
    return f"**{value}**{sign}" if sign else value


def _text(text: str) -> str:
    """Return the text, escaped for Markdown."""
    for sign in "\\`*_<>|~[]#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
