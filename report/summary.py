"""Computes a run's result from its manifest, records and samples alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

import polars as pl

from collector.run_manifest import Contender, Machine, Manifest, RunInfo, Workload
from collector.store import RunFolder
from collector.trial_records import TrialRecords
from collector.worker_figures import JOBLESS_MEASURES, WORKER_MEASURES
from poolbench.errors import StorageError
from report import format as fmt
from report.analyses.crossover import find_crossovers
from report.analyses.fairness import mix_fairness
from report.analyses.load_curves import load_curves
from report.analyses.setting_effects import find_effects
from report.analyses.sweeps import find_sweeps
from report.conditions import conditions
from report.result import Summary, Verdict, from_json, to_json
from report.rows.offered_load import pick
from report.rows.row import Row, sum_ledgers
from report.trials.timeline import COLUMNS, Timeline, measure_timeline
from report.trials.trial import Trial, free_threaded, measure_trials
from report.verdicts.capacity import judge
from report.verdicts.figures import compare_figures
from report.verdicts.latency import judge_parts
from report.verdicts.offered_load import judge_load
from report.verdicts.precision import describe
from report.verdicts.ranking import is_larger_finding
from report.verdicts.thresholds import check_thresholds
from report.verdicts.worker import judge_worker

#: Smallest load average per core before the run at which a note reports a busy machine.
BUSY_SHARE = 0.5

#: Waits can't be compared if the largest backlog exceeds this multiple of the smallest.
BACKLOG_RATIO = 2.0

#: With fewer values than this, the nearest rank of p99 is the maximum.
P99_JOBS = 100


def summarize(folder: RunFolder, *, is_every_pair: bool = False) -> Summary:
    """Return the run's result, with rounded figures.

    With ``is_every_pair``, all pairs of a workload's contenders are compared, as one question.

    Raises:
        StorageError: if the folder can't be read, or is not that of a lab run.
    """
    manifest = folder.read_manifest()
    if not manifest.workloads:
        raise StorageError(f"{folder.path}: a run with lanes only, which measures nothing.")
    records, samples = folder.trial_records(), folder.read_samples()
    trials = measure_trials(
        manifest, records=records, samples=samples, published=folder.read_published()
    )
    measured = [trial for trial in trials if not trial.is_pilot]
    rows = _rows(manifest, trials=measured)
    verdicts = _verdicts(manifest, rows=rows, is_every_pair=is_every_pair)
    shown = {trial.trial for row in rows for trial in row.trials}
    precision = None
    # without a width, the number of blocks or the time was fixed
    if manifest.until is not None and manifest.until.half_width is not None:
        precision = describe(
            manifest.until,
            verdicts=verdicts,
            blocks=_complete_blocks(rows),
            is_finished=manifest.state == "finished",
        )
    summary = Summary(
        **{one.name: getattr(manifest, one.name) for one in fields(RunInfo)},
        conditions=conditions(manifest),
        ledger=sum_ledgers(measured),
        notes=(
            *_notes(manifest, trials=trials, rows=rows),
            *([precision.text] if precision else []),
        ),
        remarks=tuple(_remarks(manifest, trials=trials, rows=rows)),
        rows=tuple(row.summary() for row in rows),
        precision=precision,
        verdicts=tuple(verdicts),
        is_every_pair=is_every_pair,
        crossovers=tuple(find_crossovers(rows)),
        sweeps=tuple(find_sweeps(rows)),
        effects=tuple(find_effects(rows)),
        curves=tuple(load_curves(rows)),
        # how long a job of an app takes alone, with all that it leads to, is unknown
        fairness=(
            tuple(mix_fairness(rows, trials=manifest.trials, records=records))
            if manifest.app is None
            else ()
        ),
        trials=tuple(
            replace(trial.summary, is_shown=trial.is_pilot or trial.trial in shown)
            for trial in trials
        ),
        timelines=tuple(_timelines(rows, records=records, samples=samples)),
    )
    # check the rounded figures, so that summary.json alone confirms the results
    result = from_json(to_json(summary))
    verdicts = [
        replace(verdict, figures=compare_figures(result, verdict=verdict))
        for verdict in result.verdicts
    ]
    result = replace(result, verdicts=tuple(verdicts))
    checked = check_thresholds(manifest.fail_on, summary=result)
    return from_json(to_json(replace(result, thresholds=checked)))


def judge_run(folder: RunFolder) -> list[Verdict]:
    """Return the verdicts on the trials that a run has measured so far.

    Raises:
        StorageError: if the folder can't be read, or is not that of a lab run.
    """
    manifest = folder.read_manifest()
    trials = measure_trials(
        manifest,
        records=folder.trial_records(),
        samples=folder.read_samples(),
        published=folder.read_published(),
    )
    measured = [trial for trial in trials if not trial.is_pilot]
    return _verdicts(manifest, rows=_rows(manifest, trials=measured))


def _rows(manifest: Manifest, *, trials: Sequence[Trial]) -> list[Row]:
    """Return a row for each workload and contender, measured or not, in the manifest's order."""
    can_run_without_gil = free_threaded(manifest)
    return [
        Row(
            contender=contender,
            workload=workload,
            trials=tuple(shown),
            others=tuple(others),
            replaced=tuple(
                one
                for one in trials
                if one.is_replaced
                and (one.contender, one.workload) == (contender.name, workload.name)
            ),
            ceilings=manifest.ceilings,
            is_free_threaded=contender.name in can_run_without_gil,
            slots_seen=_slots_seen(manifest, contender=contender),
        )
        for workload in manifest.workloads
        for contender in manifest.contenders
        for shown, others in [pick(trials, contender=contender.name, workload=workload)]
    ]


def _slots_seen(manifest: Manifest, *, contender: Contender) -> int | None:
    """Return the slots seen busy at once, the least of all blocks; None if all were seen."""
    found = (one.busy_slots for one in manifest.workers if one.contender == contender.name)
    return min((seen for seen in found if seen and seen < contender.slots), default=None)


def _verdicts(
    manifest: Manifest, *, rows: Sequence[Row], is_every_pair: bool = False
) -> list[Verdict]:
    return [
        judge_worker(of_workload, workload=workload, is_every_pair=is_every_pair)
        if workload.measure in WORKER_MEASURES
        else judge_load(
            of_workload, workload=workload, slo=manifest.slo, is_every_pair=is_every_pair
        )
        if workload.measure != "capacity"
        else _judge_backlog(of_workload, workload=workload, is_every_pair=is_every_pair)
        for workload in manifest.workloads
        for of_workload in [[row for row in rows if row.workload is workload]]
    ]


def _judge_backlog(rows: Sequence[Row], *, workload: Workload, is_every_pair: bool) -> Verdict:
    verdict = judge(
        [row.entry() for row in rows],
        workload=workload.name,
        kind=workload.kind,
        is_every_pair=is_every_pair,
    )
    parts = judge_parts(rows, workload=workload, is_every_pair=is_every_pair)
    if not parts:
        return verdict
    headlines, texts = [verdict.headline, parts[0].headline], [one.text for one in parts]
    is_second = is_larger_finding(parts[0].lead, lead=verdict.furthest_behind or verdict.lead)
    return replace(
        verdict,
        headline=" ".join(filter(None, headlines[::-1] if is_second else headlines)),
        text=" ".join([*texts, verdict.text] if is_second else [verdict.text, *texts]),
        parts=parts,
    )


def _notes(manifest: Manifest, *, trials: Sequence[Trial], rows: Sequence[Row]) -> list[str]:
    """Return the warnings to read before the numbers, in whole sentences."""
    notes = []
    if manifest.state != "finished":
        done = _complete_blocks(rows)
        planned = fmt.counted(manifest.repetitions, noun="repetition")
        # with `until`, the total number is unknown
        part = fmt.counted(done, noun="repetition") if manifest.until else planned
        of = "" if manifest.until else f"{done} of "
        notes.append(f"Run interrupted after {of}{part}; results are partial.")
    notes += [f"Skipped {str(skip).rstrip('.')}." for skip in manifest.skipped]
    notes += _worker_notes(manifest)
    if manifest.overlapped_by:
        notes.append(f"Other runs ran at the same time: {fmt.listed([*manifest.overlapped_by])}.")
    notes += busy_notes(manifest.machine, run="the run")
    pilots = [
        f"The pilot of {one.contender} on {one.workload}: {fmt.listed([*map(str, one.reasons)])}."
        for one in trials
        if one.is_pilot and not one.is_valid
    ]
    # a worker that is killed at its memory limit is killed again after its replacement
    notes += dict.fromkeys(pilots)
    return notes


def busy_notes(machine: Machine, *, run: str) -> list[str]:
    """Return a note if the machine was busy when the run began; otherwise nothing."""
    load, cores = next(iter(machine.load_average), 0.0), machine.cores
    if load < BUSY_SHARE * cores:
        return []
    of = f"{cores:g} {'core' if cores == 1 else 'cores'}"
    return [f"The machine was busy when {run} began: load {fmt.number(load)} on {of}."]


def _remarks(manifest: Manifest, *, trials: Sequence[Trial], rows: Sequence[Row]) -> list[str]:
    """Return explanations of the numbers, in whole sentences."""
    remarks = []
    if any(trial.is_backlog and not trial.is_pilot and not trial.is_jobless for trial in trials):
        remarks.append("The whole backlog is sent at once: a job's wait is its place in the queue.")
    remarks += _backlog_remarks(manifest)
    remarks += _app_remarks(manifest, rows=rows)
    if any(not trial.is_backlog for trial in trials):
        remarks.append(
            "Jobs arrived at a rate: throughput shows whether a contender kept up, not its maximum."
        )
    if manifest.events:
        remarks.append("Celery's events were on, which costs the worker part of its throughput.")
    workers_up = max((trial.workers_up or 0 for trial in trials), default=0)
    if workers_up > 1:
        others = fmt.counted(workers_up - 1, noun="other worker")
        remarks.append(
            f"{others} {'was' if workers_up == 2 else 'were'} up during each trial, idle."
        )
    with_latency = [row for row in rows if row.measure not in JOBLESS_MEASURES]
    if any(0 < count < P99_JOBS for row in with_latency for count in _job_counts(row)):
        remarks.append(f"The p99 of fewer than {P99_JOBS} jobs is about their maximum.")
    return remarks


def _job_counts(row: Row) -> Iterator[int]:
    """Yield the numbers of jobs that percentiles of a row are of: of all, and of each part."""
    yield sum(trial.ledger.done for trial in row.valid)
    for part in row.workload.part_names:
        yield sum(len(trial.part_spans[part]["execution"]) for trial in row.valid)


def _timelines(
    rows: Sequence[Row], *, records: TrialRecords, samples: pl.DataFrame
) -> list[Timeline]:
    """Return the timeline of one trial of each row that has a complete trial."""
    timelines = []
    for row in (row for row in rows if row.measure not in JOBLESS_MEASURES):
        trial = row.typical
        found = trial and measure_timeline(
            trial,
            pool=row.contender.pool,
            records=records.read(trial.trial, columns=COLUMNS),
            samples=samples.filter(
                (pl.col("trial") == trial.trial) & (pl.col("contender") == trial.contender)
            ).sort("t_ns"),
        )
        if found:
            timelines.append(found)
    return timelines


def _complete_blocks(rows: Sequence[Row]) -> int:
    """Return the number of blocks in which every row's trial ended, valid or not."""
    ended = [{trial.block for trial in row.trials if trial.end_ns} for row in rows]
    return len(set.intersection(*ended)) if ended else 0


def _worker_notes(manifest: Manifest) -> list[str]:
    """Return a note on the workers that failed or were killed."""
    ends = [
        f"{worker.contender} (exit code {worker.exit_code})"
        for worker in manifest.workers
        if worker.exit_code not in (0, None)
    ]
    if not ends:
        return []
    themselves = "itself" if len(ends) == 1 else "themselves"
    who = fmt.listed([*dict.fromkeys(ends)])
    return [f"{fmt.counted(len(ends), noun='worker')} did not end by {themselves}: {who}."]


def _app_remarks(manifest: Manifest, *, rows: Sequence[Row]) -> list[str]:
    """Return what figures mean where the jobs are tasks of a user's app."""
    if manifest.app is None:
        return []
    of = f"The jobs are tasks of the app {manifest.app.module}"
    remarks = [f"{of}: without Celery they can't be measured, so that no ceiling is known."]
    counts: dict[str, list[float]] = {}
    for row in rows:
        counts.setdefault(row.workload.name, []).extend(
            trial.executions_per_job for trial in row.valid if trial.executions_per_job
        )
    more = [
        f"{fmt.number(statistics.median(found))} in {name}"
        for name, found in counts.items()
        if found and statistics.median(found) > 1
    ]
    if more:
        remarks.append(
            f"A job ends with all messages that it leads to: executions a job: {fmt.listed(more)}."
        )
    return remarks


def _backlog_remarks(manifest: Manifest) -> list[str]:
    """Return a warning if backlogs of one workload differ greatly in size between contenders."""
    counts: dict[str, list[int]] = {}
    for plan in (entry.plan for entry in manifest.trials):
        if plan.arrivals == "burst" and not plan.is_pilot and plan.measure not in JOBLESS_MEASURES:
            counts.setdefault(plan.workload, []).append(plan.count)
    differing = [
        count
        for found in counts.values()
        if max(found) > BACKLOG_RATIO * min(found)
        for count in found
    ]
    if not differing:
        return []
    span = f"{min(differing):,}–{max(differing):,} jobs"
    return [f"Backlogs differ ({span}): compare execution times and throughput, not waits."]
