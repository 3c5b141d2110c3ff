"""Texts that several outputs share."""

from __future__ import annotations

from dataclasses import replace

from collector.run_manifest import AppCall, Part, RecordedSource, Workload
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


def test_stand_ins_are_described_by_their_recording() -> None:
    """Which messages of which file they repeat, how fast, and what is not repeated."""
    source = RecordedSource(
        file="/srv/shop.pbrec",
        sha256="0" * 64,
        speed=2.0,
        jobs=382,
        span_s=60.2,
        unknown_share=0.2,
        unknown_as="held",
        left_out={"revoked": 3},
    )
    workload = Workload(name="shop", kind="mix", parameters={}, recorded=source)

    assert describe_jobs(workload) == (
        "stand-ins for 382 recorded messages of shop.pbrec, 60 s of it; at 2 times the pace; "
        "computing of which the recording doesn't know whether it holds the GIL (20 % of the "
        "slots' time): held; not repeated: 3 revoked"
    )


def test_tasks_of_an_app_are_described_with_their_arguments() -> None:
    """Long ones are cut; a function is named."""
    call = AppCall(args=("x" * 60,), kwargs={"n": 3})
    part = Part(name="a", kind="shop.a", parameters={}, share=1.0, call=call)
    one = Workload(name="w", kind="mix", parameters={}, mix=(part,))

    assert describe_jobs(one) == f'args ["{"x" * 38}…, kwargs {{"n": 3}}'
    named = replace(one, mix=(replace(part, call=AppCall(function="shop:args")),))
    assert describe_jobs(named) == "arguments shop:args"
