"""The columns of an exported run, and the text of docs/columns.md, which documents them.

python -m report.columns > docs/columns.md
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum

from collector.schema import SAMPLE_SCHEMA
from poolbench.records import RECORD_COLUMNS, Column, ColumnType, Outcome


class Table(StrEnum):
    """The tables that a run can be exported as."""

    JOBS = "jobs"
    SAMPLES = "samples"


#: Columns that describe a record's trial, added to `RECORD_COLUMNS`.
TRIAL_COLUMNS: Mapping[str, Column] = {
    "workload": Column(type=ColumnType.TEXT, help="name of the workload"),
    "pool": Column(type=ColumnType.TEXT, help="the contender's pool"),
    "slots": Column(type=ColumnType.INT, help="the contender's slots"),
    "block": Column(type=ColumnType.INT, help="repetition, from 0"),
    "arrivals": Column(
        type=ColumnType.TEXT, help="how jobs arrived; `burst`: the whole backlog at once"
    ),
    "is_pilot": Column(
        type=ColumnType.FLAG,
        help="whether the trial only warmed up or sized backlogs; no figure uses it",
    ),
    "is_valid": Column(
        type=ColumnType.FLAG, help="whether figures use the trial; false in a repetition marked `!`"
    ),
}

#: Every column of exported jobs, in this order.
JOB_COLUMNS: Mapping[str, Column] = {**RECORD_COLUMNS, **TRIAL_COLUMNS}

_SAMPLE_HELP: Mapping[str, str] = {
    "trial": "index of the trial in its run, from 0",
    "contender": "name of the contender whose worker was sampled",
    "t_ns": "time of the sample, Unix ns",
    "cpu_s": "user + system time of the worker's process tree so far, without recorder, seconds",
    "recorder_cpu_s": "user + system time of the probe's recorder so far, seconds",
    "pss_bytes": "PSS of the process tree, bytes; measured once per trial",
    "rss_bytes": "RSS of the process tree, bytes; counts shared pages once per process",
    "connections": "TCP connections of the process tree; counted once per trial",
    "processes": "number of processes in the tree",
}

_OPENING = """\
# The columns of an exported run

    poolbench export RUN --format csv --output jobs.csv
    poolbench export RUN --table samples --format csv --output samples.csv

`RUN` is a run's id, its folder or `latest`. The formats are `csv` (UTF-8, with a header; empty if a
value is unknown; `true` and `false`), `ndjson` (one JSON object per line; `null` if a value is
unknown) and `parquet`.

You can recompute every figure of jobs and workers in `summary.json` from the two tables. A test
does it with Python's `csv` module and no code of Poolbench (`tests/recompute.py`). Ceilings are in
`manifest.json`.

Times are Unix nanoseconds, integers of 19 digits. A spreadsheet that reads them as floating-point
numbers loses the last three digits.
"""

_RECIPES = """\
## How to recompute the figures

A **percentile** pX of n values is the nearest rank: the value at place ceil(X · n / 100), counted
from 1, of the values in order (type 1 in Hyndman and Fan, *Sample Quantiles in Statistical
Packages*, The American Statistician 50, 1996). It is therefore always a value that occurred.

- **Trials**: use only those with `is_pilot` false and, except for the ledger, `is_valid` true. A
  row of `summary.json` is one `contender` × `workload`, over all its trials.
- **Ledger** of a trial:
  - *sent*: number of different `seq`; records without a `seq` don't count
  - *done*: number of `seq` with a `done` record
  - *failed*: number of `seq` without one, and with an outcome `failed`, `revoked`, `ignored`,
    `expired` or `timed-out`
  - *lost*: sent - done - failed
  - *retried*: number of records with the outcome `retried`
  - *duplicated*: of the records with the outcome `done`, `failed` or `timed-out`, those beyond the
    first of their `seq` and `attempt`, plus one for each with a `finished_again_ns`

  A job that was sent and left no record has a row with its `seq` and its trial's columns only. (If
  more jobs ended than were sent, *lost* is negative in `summary.json`; the records can't show it.)
- **Throughput** of a trial whose `arrivals` are `burst`: (n - k) / (f_n - f_k). f are the
  `finished_ns` of its `done` records in order, n is their count, and k is the greatest number in
  flight, at least 1 and at most the `slots`. There is none below n = 5 · k. A record is in flight
  from its `started_ns` to its `finished_ns`; if one ends as another starts, it is no longer in
  flight. Throughput of other trials: n / (f_n - the first `due_ns`). Of a row: the median of its
  trials.
- A workload that searched for a rate (`measure` in `manifest.json`) has several trials in a
  repetition. The row of a search uses the one with the highest `rate_per_s` that was sustained, and
  its throughput is that rate. The row of a curve uses those at 80 % (`load_share`). `is_shown` in
  `summary.json` marks them.
- **wait** of a job: the first `started_ns` - the first `due_ns`. **lag** of a job: the first
  `sent_ns` - the first `due_ns`. **execution** of a `done` record: `finished_ns` - `started_ns`.
  **response** of a `done` record: `finished_ns` - `due_ns`. A row's percentiles are those of all
  its jobs together, never of percentiles. p99.9 needs 2,995 values, and is null below.
- **wait_parts_s**: *lag* and *execution* as above; *broker* of a record with `attempt` 0:
  `received_ns` - `sent_ns`; *prefetch* of a record: `started_ns` - `received_ns`. Here p50 needs 5
  values, p90 29, p95 59, p99 299 and p99.9 2,995. With as many, the largest value exceeds the true
  percentile in 95 of 100 cases (S. S. Wilks, Annals of Mathematical Statistics 12, 1941).
- **cpu_s_per_1000_jobs** of a trial: the last `cpu_s` of its contender minus the first, in order of
  `t_ns`, × 1000 / *done*; of a row, the median of its trials.
- **pss_bytes**: the largest of a trial; of a row, the median of its trials.
- **per_busy_core_per_s**: 1000 ÷ the trial's cpu_s_per_1000_jobs. **per_gb_per_s**: its throughput
  ÷ its pss_bytes × 10^9. Of a row, the medians of its trials.
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
            "One row per execution attempt of a job, in order of trial and `seq`.\n",
            f"Outcomes: {', '.join(f'`{outcome}`' for outcome in Outcome)}.\n",
            _table(jobs),
            "## `--table samples`\n",
            "Measurements of a contender's worker from outside, one row per sample.\n",
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
