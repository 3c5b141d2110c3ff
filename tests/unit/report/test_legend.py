"""Texts that several outputs share."""

from __future__ import annotations

from collector.run_manifest import Part, Workload
from poolbench.job_options import JobOptions, Retry
from report.legend import describe_jobs


def test_jobs_are_described_with_their_options() -> None:
    """Of one kind, without a share; of a mix, by part, with the options that have an effect."""
    options = JobOptions(priority=0, countdown_s=8.0, retry=Retry(share=0.3, countdown_s=0.5))
    parts = [
        Part(
            name="late", kind="io.sleep", parameters={"delay_ms": 20.0}, share=0.9, options=options
        ),
        Part(name="plain", kind="io.redis", parameters={}, share=0.1),
    ]
    one, mix = (
        Workload(name="work", kind="mix", parameters={}, mix=tuple(parts[:count]))
        for count in (1, 2)
    )
    late = "delay_ms 20, priority 0, countdown_s 8, retry 30 % after 0.5 s"

    assert describe_jobs(one) == late
    assert describe_jobs(mix) == f"late (90 %): io.sleep, {late}; plain (10 %): io.redis"
    kind = Workload(name="plain", kind="io.sleep", parameters={"delay_ms": 20.0})
    assert describe_jobs(kind) == "delay_ms 20"
