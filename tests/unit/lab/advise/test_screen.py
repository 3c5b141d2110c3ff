"""What a person sees: one screen at 80 columns."""

from __future__ import annotations

import json
from dataclasses import replace

from collector.recording import RecordedWorker
from lab.advise.advice import Advice, command_line
from lab.advise.boundaries import Boundary
from lab.advise.decision import Decision, Outcome
from lab.advise.model import Limits, Setting
from lab.advise.rules import apply_rules
from lab.advise.screen import render
from report.statistics.ratios import Ratio
from tests.demands import HARD_LIMIT, TODAY, about, candidate, demand, expected
from tests.summaries import printed

WORKER = RecordedWorker(
    name="shop@web1",
    pool="prefork",
    slots=8,
    options={
        "concurrency": 8,
        "queues": ["default", "mail"],
        "max_tasks_per_child": 100,
        "without_gossip": True,
    },
)

LIMITS = Limits(memory_bytes=1 << 30, connections=20)

THREADS = candidate("threads", times=2.2, wait_s=about(0.012), memory_bytes=about(88e6))

CHANGE = Advice(
    files=("shop.pbrec",),
    demand=demand(features=(replace(HARD_LIMIT, is_used=False),)),
    limits=LIMITS,
    slo={"p95_wait_s": 2.0},
    decision=Decision(outcome=Outcome.CHANGE, advised=THREADS),
    measured={"": (expected(), THREADS, replace(candidate("gevent"), faults=("12 jobs lost",)))},
    repetitions=5,
    span_s=12.0,
    rules=apply_rules(demand(), limits=LIMITS),
    excluded={"solo": "it has one slot, as prefork -c 1 has"},
    boundaries=(
        Boundary(
            change="shop.fetch waited over 353 ms (now 48.0 ms)",
            setting=Setting(pool="gevent", slots=31, workers=2),
            factor=7.4,
        ),
    ),
    command=command_line(THREADS.setting, worker=WORKER),
    stops={"hard time limit": "ignored"},
    run="results/20261130-191409-c2b5",
)


def lines(advice: Advice) -> list[str]:
    """Return the screen's lines without blanks at their ends."""
    return [line.rstrip() for line in printed(render(advice), width=80).splitlines()]


def test_a_change_is_one_screen() -> None:
    """The command line, figures beside today's, what is lost, and what would change it."""
    assert lines(CHANGE)[:22] == [
        "shop.pbrec  2 min, 1,200 executions of 2 tasks, today prefork-8",
        "",
        "Change to threads-12: 2.20 × [2.09–2.31] today's throughput at the limit.",
        "Today's setting keeps the bounds too, at up to 8.33 × the recorded rate.",
        "",
        "  celery -A APP worker -P threads -c 12 -Q default,mail --without-gossip",
        "",
        "                  p95 wait  SLO  at the limit        memory  connections",
        "  prefork-8        20.0 ms  met         100/s        200 MB           12",
        "  today       18.0–22.0 ms         90.0–110/s    180–220 MB        11–13",
        "→ threads-12       12.0 ms  met         220/s       88.0 MB           12",
        "              10.8–13.2 ms          198–242/s  79.2–96.8 MB        11–13",
        "  gevent-12        invalid    –             –             –            –",
        "Medians and ranges of 5 repetitions of the recording's busiest 12.0 s with",
        "stand-ins; memory and connections by the recording. All reasons and remedies:",
        "poolbench report 20261130-191409-c2b5 --details",
        "",
        "What threads would stop doing for this app",
        "  hard time limit: threads ignores it.",
        "",
        "What would change this advice",
        "  If shop.fetch waited over 353 ms (now 48.0 ms): 2x-gevent-31.",
    ]
    assert len(lines(CHANGE)) <= 42


def test_nothing_is_wider_than_the_screen_or_cut() -> None:
    """At 80 columns."""
    text = "\n".join(lines(CHANGE))

    assert max(map(len, lines(CHANGE))) <= 80
    assert "…" not in text


def test_it_names_what_the_pool_stops_doing_and_what_would_change_the_advice() -> None:
    """Whole sentences."""
    text = lines(CHANGE)

    assert "  hard time limit: threads ignores it." in text
    assert "  If shop.fetch waited over 353 ms (now 48.0 ms): 2x-gevent-31." in text


def test_an_invalid_candidate_is_shown_as_invalid() -> None:
    """It has no figures."""
    assert any("gevent-12" in line and "invalid" in line for line in lines(CHANGE))


def test_a_result_of_few_repetitions_is_no_claim() -> None:
    """The range, with the number of repetitions."""
    few = replace(THREADS, ratio=Ratio(value=2.2, low=2.0, high=2.4, blocks=2))
    text = " ".join(lines(replace(CHANGE, decision=replace(CHANGE.decision, advised=few))))

    assert "Probably change to" in text
    assert "2.00–2.40 × today's throughput at the limit (2 of 5 repetitions, no claim)" in text


def test_candidates_that_the_budget_left_out_are_named() -> None:
    """A larger budget may lead to another advice."""
    text = " ".join(lines(replace(CHANGE, left_out=("prefork-42", "2x-gevent-6"))))

    assert "The budget had no room for prefork-42 and 2x-gevent-6." in text


def test_to_stay_is_a_sentence_with_todays_command() -> None:
    """Nothing changes, and the screen says what would."""
    stay = Decision(outcome=Outcome.STAY, advised=expected(), reasons=("No candidate did more.",))
    text = lines(replace(CHANGE, decision=stay, stops={}))

    assert text[2:4] == ["Stay with what you have.", "No candidate did more."]
    assert "What would change this advice" in text


def test_an_abstention_names_what_to_record() -> None:
    """No table and no command."""
    gaps = ("The recording has 20.0 s. Record for 60 s at least.",)
    nothing = Decision(outcome=Outcome.ABSTAIN, advised=None)
    text = lines(
        Advice(
            files=("shop.pbrec",),
            demand=demand(gaps=gaps),
            limits=LIMITS,
            slo={},
            decision=nothing,
        )
    )

    assert text[2:] == [
        "No advice: the evidence is too thin.",
        "",
        "What to record",
        f"  {gaps[0]}",
    ]


def test_if_none_meets_the_slo_the_bounds_and_the_nearest_are_named() -> None:
    """With its wait."""
    none = Decision(outcome=Outcome.NONE, advised=expected(is_met=False, wait_s=about(3.0)))
    text = " ".join(lines(replace(CHANGE, decision=none)))

    assert "No setting met p95_wait < 2.00 s, memory 1.07 GB and 20 connections." in text
    assert "prefork-8 was nearest: p95 wait 3.00 s." in text


def test_the_command_line_keeps_what_the_pool_has() -> None:
    """Limits of children are prefork's; workers of several need names of their own."""
    late = replace(TODAY, prefetch_multiplier=1)
    several = Setting(pool="gevent", slots=6, workers=2)

    assert command_line(late, worker=WORKER) == (
        "celery -A APP worker -P prefork -c 8 --prefetch-multiplier 1 -Q default,mail "
        "--max-tasks-per-child 100 --without-gossip"
    )
    assert command_line(several, worker=WORKER).endswith("-n worker1@%h")


def test_the_command_line_quotes_names_for_a_shell() -> None:
    """A queue may be named with any characters."""
    odd = replace(WORKER, options={"queues": ["$(date) mail"]})

    assert command_line(TODAY, worker=odd).endswith("-Q '$(date) mail'")


def test_both_assumptions_have_a_table() -> None:
    """Each with its title."""
    both = {"held": (expected(), THREADS), "released": (expected(), THREADS)}
    text = lines(replace(CHANGE, measured=both))

    assert "If the unknown computing holds the GIL" in text
    assert "If the unknown computing releases the GIL" in text


def test_the_json_has_the_same_content() -> None:
    """Its format, the outcome, and every figure that is shown."""
    content = json.loads(CHANGE.to_json())

    assert (content["format"], content["decision"]["outcome"]) == (1, "change")
    assert content["measured"][""][1]["per_s"]["median"] == 220
    assert [one["name"] for one in content["rules"]][:2] == ["Little's law", "one interpreter"]
