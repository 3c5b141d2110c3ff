"""The verdicts of the survey that this checkout keeps in docs/pools.json."""

from __future__ import annotations

from pathlib import Path

from lab.conformance.survey import read_survey
from lab.system.paths import ROOT
from report.profile.model import PoolVerdict, Verdicts

KEPT = ROOT / "docs/pools.json"


def kept_verdicts(path: Path = KEPT) -> Verdicts:
    """Return what each pool did with each promise.

    Raises:
        UsageError: if the survey can't be read.
    """
    survey = read_survey(path)
    by_promise = {
        row.name: {
            pool: PoolVerdict(outcome=verdict.outcome, seen=verdict.seen)
            for pool, verdict in row.pools.items()
        }
        for row in survey.rows
    }
    return Verdicts(celery=survey.celery, by_promise=by_promise)
