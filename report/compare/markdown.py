"""Writes a comparison of two runs as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from report import format as fmt
from report.compare.model import Comparison, Outcome, RowChange
from report.compare.wording import forced, headline, legend, side, told
from report.result import Checked, Status
from report.verdicts.metrics import FIGURES, Figure

#: Outcome → what stands behind a ratio: a table in a pull request has no colours.
_SIGNS = {Outcome.BETTER: " 🟢", Outcome.WORSE: " 🔴"}

_MAIN = ("throughput", "cpu", "pss")
_TITLES = {"throughput": "throughput", "cpu": "CPU", "pss": "PSS"}


def to_markdown(comparison: Comparison, *, checked: Sequence[Checked]) -> str:
    """Return the whole comparison; waits and executions lie folded beneath each table."""
    return "\n".join(_lines(comparison, checked=checked)) + "\n"


def _lines(comparison: Comparison, *, checked: Sequence[Checked]) -> Iterator[str]:
    yield f"### Poolbench: {headline(comparison)}"
    yield ""
    for one in forced(comparison):
        yield f"- **{_text(one)}**"
    for condition in dict.fromkeys(one.condition for one in checked):
        yield from _condition([one for one in checked if one.condition == condition])
    yield f"- {_text(side('A', summary=comparison.a))}"
    yield f"- {_text(side('B', summary=comparison.b))}"
    for one in told(comparison):
        yield f"- {_text(one)}"
    for workload in dict.fromkeys(row.workload for row in comparison.rows):
        yield from _section([row for row in comparison.rows if row.workload == workload])
    yield ""
    words = "; ".join(f"{word}: {meaning}" for word, meaning in legend(comparison))
    yield f"<sub>{_text(words)}</sub>"


def _condition(checked: Sequence[Checked]) -> Iterator[str]:
    bad = [one for one in checked if one.status is not Status.MET]
    sign = "❌" if bad else "✅"
    passing = f"{len(checked) - len(bad):,} of {fmt.counted(len(checked), noun='row')} pass"
    yield f'- {sign} `--fail-on "{checked[0].condition}"`: {passing}'
    for one in bad:
        yield f"  - **{one.status}** {_text(one.text)}"


def _section(rows: Sequence[RowChange]) -> Iterator[str]:
    spans = [figure for figure in FIGURES.values() if figure.span]
    main = [FIGURES[name] for name in _MAIN]
    throughput = FIGURES["throughput"]
    yield from ("", f"#### {_text(rows[0].workload)}", "")
    yield from _head(["", "contender", "jobs/s A", "B", *(_TITLES[name] for name in _MAIN)])
    for row in rows:
        change = row.change(throughput)
        yield _line(
            [
                *_name(row),
                throughput.show(change.a),
                throughput.show(change.b),
                *(_cell(row, figure=figure) for figure in main),
            ]
        )
    yield from ("", "<details><summary>wait and execution</summary>", "")
    yield from _head(["", "contender", *(figure.title for figure in spans)])
    for row in rows:
        yield _line([*_name(row), *(_cell(row, figure=figure) for figure in spans)])
    yield from ("", "</details>", "")
    for row in rows:
        if row.reasons:
            reasons = _text("; ".join(row.reasons))
            yield f"- {_mark(row)} **{_text(row.contender)}**: {reasons}"


def _head(titles: Sequence[str]) -> Iterator[str]:
    yield _line(titles)
    yield _line(["---", "---", *["---:"] * (len(titles) - 2)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _name(row: RowChange) -> tuple[str, str]:
    return _mark(row), _text(row.contender)


def _mark(row: RowChange) -> str:
    # a lone tilde may strike out what follows
    return f"`{row.mark}`" if row.mark else ""


def _cell(row: RowChange, *, figure: Figure) -> str:
    change = row.change(figure)
    if change.ratio is None:
        return change.reason or fmt.NOTHING
    span = fmt.interval(change.ratio.low, high=change.ratio.high)
    value = f"{fmt.times(change.ratio.value)} {span}"
    strong = change.outcome in _SIGNS
    return f"**{value}**{_SIGNS[change.outcome]}" if strong else value


def _text(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    for sign in "\\`*_<>|~[]#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
