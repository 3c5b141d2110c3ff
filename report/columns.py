"""The columns of an exported run, and the page that documents them: docs/columns.md.

python -m report.columns > docs/columns.md
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum

from collector.schema import SAMPLE_SCHEMA
from poolbench.records import RECORD_COLUMNS, Column, ColumnType, Outcome


class Table(StrEnum):
    """What can be exported of a run."""

    JOBS = "jobs"
    SAMPLES = "samples"


#: What a record's trial was, beside the columns of `RECORD_COLUMNS`.
TRIAL_COLUMNS: Mapping[str, Column] = {
    "workload": Column(type=ColumnType.TEXT, help="name of the workload"),
    "pool": Column(type=ColumnType.TEXT, help="the contender's pool"),
    "slots": Column(type=ColumnType.INT, help="the contender's slots"),
    "block": Column(type=ColumnType.INT, help="repetition, from 0"),
    "arrivals": Column(
        type=ColumnType.TEXT, help="how jobs came; `burst`: the whole backlog at once"
    ),
    "is_pilot": Column(
        type=ColumnType.FLAG, help="whether the trial only sized or warmed; it enters no figure"
    ),
    "is_valid": Column(
        type=ColumnType.FLAG, help="whether the trial's figures count; false in a `!` repetition"
    ),
}

#: Every column of exported jobs, in this order.
JOB_COLUMNS: Mapping[str, Column] = {**RECORD_COLUMNS, **TRIAL_COLUMNS}

_SAMPLE_HELP: Mapping[str, str] = {
    "trial": "index of the trial in its run, from 0",
    "contender": "whose worker was looked at",
    "t_ns": "when, Unix ns",
    "cpu_s": "user + system of the worker's process tree so far, without its recorder, seconds",
    "recorder_cpu_s": "the same of the probe's recorder, seconds",
    "pss_bytes": "PSS of the process tree, bytes; taken once a trial",
    "rss_bytes": "RSS of the process tree, bytes: counts shared pages in every process",
    "connections": "TCP connections of the process tree; counted once a trial",
    "processes": "processes in the tree",
}

_OPENING = """\
# The columns of an exported run

    poolbench export RUN --format csv --output jobs.csv
    poolbench export RUN --table samples --format csv --output samples.csv

`RUN` is a run's id, its folder or `latest`. Formats: `csv` (UTF-8, a header, nothing where nothing
is known, `true` and `false`), `ndjson` (a JSON object a line, `null` where nothing is known),
`parquet`. From the two tables every figure that a row of `summary.json` has of its jobs and its
worker can be recomputed; a test does it with Python's `csv` module and nothing of ours
(`tests/recompute.py`). Ceilings stand in `manifest.json`.

Times are Unix nanoseconds, whole numbers of 19 digits: a spreadsheet that reads them as floating
point loses the last three.
"""

_RECIPES = """\
## How the figures come out of them

A **percentile** pX of n values is the nearest rank: the value at place ceil(X · n / 100), counted
from 1, of the values in order (type 1 in Hyndman and Fan, *Sample Quantiles in Statistical
Packages*, The American Statistician 50, 1996). So it is always a value that occurred.

- **Only** trials with `is_pilot` false count; and but for the ledger, only those with `is_valid`
  true. A row of `summary.json` is one `contender` × `workload`, over all its trials.
- **Ledger**, by trial: *sent* = different `seq` (rows without one count nowhere); *done* = `seq`
  with a `done` record; *failed* = `seq` without one, and with an outcome `failed`, `revoked`,
  `ignored`, `expired` or `timed-out`; *lost* = sent - done - failed; *retried* = records with
  outcome `retried`; *duplicated* = of the records with outcome `done`, `failed` or `timed-out`,
  those beyond the first of their `seq` and `attempt`, and one more for each with a
  `finished_again_ns`. A job that was sent and left no record stands there too, with its `seq` and
  its trial's columns alone. (A trial in which more jobs ended than were sent has a negative *lost*
  in `summary.json`, which the records can't show.)
- **Throughput** of a trial whose `arrivals` are `burst`: (n - k) / (f_n - f_k), where f are the
  `finished_ns` of its `done` records in order, n their count and k the greatest number in flight,
  at least 1 and at most the `slots`; nothing below n = 5 · k. In flight is a record from its
  `started_ns` to its `finished_ns`; one that ends as another starts is over. Of other trials:
  n / (f_n - the first `due_ns`). Of a row: the median of its trials.
- A workload that looked for a rate (`measure` in `manifest.json`) has several trials in a block.
  The row of a search has the one with the highest `rate_per_s` that was held, and its throughput is
  that rate; the row of a curve has those at 80 % (`load_share`). `is_shown` in `summary.json` says
  which.
- **wait**: by job, the first `started_ns` - the first `due_ns`. **lag**: the same with `sent_ns`.
  **execution**: by `done` record, `finished_ns` - `started_ns`; **response**: by `done` record,
  `finished_ns` - `due_ns`. A row's percentiles are those of all its jobs together, never of
  percentiles. p99.9 takes 2,995 values, and is null below.
- **wait_parts_s**: *lag* and *execution* as above; *broker*: by record of `attempt` 0,
  `received_ns` - `sent_ns`; *prefetch*: by record, `started_ns` - `received_ns`. There p50 takes 5
  values, p90 29, p95 59, p99 299 and p99.9 2,995: as many as let the largest exceed the true
  percentile in 95 of 100 cases (S. S. Wilks, Annals of Mathematical Statistics 12, 1941).
- **cpu_s_per_1000_jobs** of a trial: the last `cpu_s` of its contender less the first, in order of
  `t_ns`, × 1000 / *done*; of a row, the median of its trials. **pss_bytes**: the largest of a
  trial, the median of a row. **per_busy_core_per_s**: 1000 ÷ the trial's cpu_s_per_1000_jobs;
  **per_gb_per_s**: its throughput ÷ its pss_bytes × 10^9; of a row, the medians of its trials.
- `summary.json` keeps six significant digits.
"""


def columns_page() -> str:
    """Return the text of docs/columns.md."""
    samples = {name: (str(_word(name)), help_text) for name, help_text in _SAMPLE_HELP.items()}
    jobs = {name: (column.type.value, column.help) for name, column in JOB_COLUMNS.items()}
    return "\n".join(
        [
            _OPENING,
            "## `--table jobs`\n",
            "One row an execution attempt of a job, in order of trial and `seq`.\n",
            f"Outcomes: {', '.join(f'`{outcome}`' for outcome in Outcome)}.\n",
            _table(jobs),
            "## `--table samples`\n",
            "What was seen of a contender's worker from outside, one row a moment.\n",
            _table(samples),
            _RECIPES,
        ]
    )


def _word(name: str) -> str:
    return str(SAMPLE_SCHEMA[name]).lower()


def _table(columns: Mapping[str, tuple[str, str]]) -> str:
    lines = ["| column | type | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {kind} | {text} |" for name, (kind, text) in columns.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(columns_page())
