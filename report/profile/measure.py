"""Makes the profile of recordings. Pure."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from collector.recording import Recording
from report.profile.findings import findings, unknowns
from report.profile.levels import level, loop_states, prefetch_use, slot_use, spans, used
from report.profile.model import Profile, Verdicts
from report.profile.reliance import relied_on, unmet_settings
from report.profile.tasks import published_share, task_profiles, wait_percentiles
from report.profile.waits import waits_by_task

_NS_PER_S = 1e9


def measure_profile(recording: Recording, *, verdicts: Verdicts | None = None) -> Profile:
    """Return the profile of a recording.

    ``verdicts`` is what each pool does with what an app may rely on.
    """
    known = verdicts or Verdicts()
    waits = waits_by_task(recording)
    up = spans(recording.sessions)
    sessions = recording.sessions
    started = recording.jobs.filter(pl.col("started_ns").is_not_null())
    cores = [one.cores for one in sessions if one.cores is not None]
    prefetch = prefetch_use(recording)
    profile = Profile(
        files=tuple(dict.fromkeys(str(one.file) for one in sessions)),
        begin_ns=up[0][0],
        span_s=sum(end_ns - begin_ns for begin_ns, end_ns in up) / _NS_PER_S,
        workers=recording.workers,
        cores=max(cores, default=None),
        pythons=tuple(sorted({one.python for one in sessions} - {""})),
        celeries=tuple(sorted({one.celery for one in sessions} - {""})),
        counts=recording.counts,
        tasks=task_profiles(recording, waits=waits),
        slots=slot_use(recording),
        waits=waits.get(""),
        wait_s=wait_percentiles(started),
        published_share=published_share(recording.jobs),
        prefetch=prefetch,
        loop_states=loop_states(recording),
        connections=level(recording, name="connections"),
        pss_bytes=level(recording, name="pss_bytes"),
        processes=level(recording, name="processes"),
        worker_cores=used(recording, name="cpu_s"),
        recorder_cores=used(recording, name="recorder_cpu_s"),
        sampler_cores=used(recording, name="sampler_cpu_s"),
        throttled_share=used(recording, name="throttled_s"),
        tried_celery=known.celery,
        relied_on=relied_on(recording, verdicts=known),
        unmet=unmet_settings(recording, verdicts=known, prefetch=prefetch),
    )
    return replace(
        profile,
        findings=findings(profile, recording=recording),
        unknown=unknowns(profile, recording=recording),
    )
