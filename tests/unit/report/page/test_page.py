"""The page of a run: one file that says everything and asks for nothing."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from collector.reasons import Severity
from collector.store import RunFolder
from report.charts.render import vega_script
from report.page.document import prose
from report.page.page import MOST_BYTES, build_page
from report.result import Summary
from report.summary import summarize
from tests.synthetic import BROKER_LOST, WORKLOADS, edit_manifest, flat_manifest, make_run, spoil

#: Elements that have no end tag, or may go without.
_VOID = {"meta", "link", "br", "img", "hr", "input", "td", "tr"}


class _Balance(HTMLParser):
    """Follows which elements are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and (not self.open or self.open.pop() != tag):
            self.faults.append(f"{tag} at {self.getpos()}")


def page_of(folder: RunFolder) -> str:
    """Return the page of a folder."""
    return build_page(summarize(folder))


def _crowded(summary: Summary, *, times: int) -> Summary:
    """Return a run with each workload several times, each with several times the trials.

    The last trial of each workload has a mark.
    """

    def copies(found: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(
            replace(one, workload=f"{one.workload}-{turn}")
            for turn in range(times)
            for one in found
        )

    trials = [*summary.trials[:-1] * 4, replace(summary.trials[-1], mark=Severity.UNSTABLE)]
    return replace(
        summary,
        run="run",
        workloads=tuple(
            replace(one, name=f"{one.name}-{turn}")
            for turn in range(times)
            for one in summary.workloads
        ),
        rows=copies(summary.rows),
        verdicts=copies(summary.verdicts),
        timelines=copies(summary.timelines),
        trials=copies(trials),
        workers=summary.workers * times * 4,
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of an honest run of four pools on two workloads."""
    return page_of(make_run(tmp_path_factory.mktemp("run"), workloads=WORKLOADS[:2]))


def test_elements_are_balanced(page: str) -> None:
    """Every element that begins ends, in order."""
    parser = _Balance()
    parser.feed(page)

    assert (parser.faults, parser.open) == ([], [])


def test_nothing_is_fetched_and_only_known_scripts_run(page: str) -> None:
    """No address to load from; the policy names each script by its hash, and forbids eval.

    The packed script is Vega, byte for byte.
    """
    [script] = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    [vega] = re.findall(r'<script type="application/gzip" id="vega">(.*?)</script>', page)
    scripts = [gzip.decompress(b64decode(vega)).decode(), script]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in scripts]

    assert scripts[0] == vega_script()
    assert policy is not None
    assert policy[1] == (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}'; "
        "style-src 'unsafe-inline'; img-src data:"
    )
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    addresses = re.findall(r'(?:src|href)="([^"]*)"', markup)
    assert all(one.startswith(("#", "data:")) for one in addresses)


def test_the_first_screen_answers(page: str) -> None:
    """Question, account and verdicts come before the first workload's section.

    The question is in the experiment's own words, without the title that they begin with.
    """
    first = page.partition('<section id="workload-1">')[0]

    assert page.count("<h1>Which pool, for which kind of work?</h1>") == 1
    assert page.count('<p class="about">') == 1
    for words in (
        "<h1>Which pool, for which kind of work?</h1>",
        '<p class="about">Four pools do the same kinds of job.</p>',
        "All 1,600 jobs accounted for.",
        "the GIL lets one run at a time",
        "How many times the throughput of solo?",
    ):
        assert words in first


def test_sections_come_in_the_order_of_a_reader(page: str) -> None:
    """Workloads, ledger, how to read it, conditions, how to repeat it."""
    found = re.findall(r'<section id="([a-z0-9-]+)">', page)

    assert found == ["workload-1", "workload-2", "ledger", "reading", "conditions", "repeat"]


def test_every_figure_has_a_name_its_data_and_a_table(page: str) -> None:
    """A place for each panel, what the script draws there, and the same as a table."""
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)

    assert len(figures) == 1 + 2 * 5
    for figure in figures:
        data = re.search(r'<script type="application/json">(.*?)</script>', figure, flags=re.DOTALL)
        assert data is not None
        assert figure.count('class="plot"') == len(json.loads(data[1])["panels"])
        assert 'role="img" aria-label="' in figure
        assert "<details>" in figure


def test_the_first_chart_is_there_without_a_script(page: str) -> None:
    """As a drawing, and no other is."""
    stills = re.findall(r"<noscript><div.*?</noscript>", page, flags=re.DOTALL)

    assert len(stills) == 1
    assert "var(--pool-prefork)" in stills[0]
    assert "× solo (logarithmic)" in stills[0]


def test_the_conditions_are_all_there(page: str) -> None:
    """Machine, versions, experiment, settings, trials in order, commit, seed.

    What a contender alone has is not buried in the settings of all.
    """
    for word in (
        "Example CPU @ 2.4 GHz", "CPython 3.13.1", "kombu", "worker_prefetch_multiplier",
        "Trials, in order (40)", "experiments/pools.toml", "0123456789abcdef", "Seed 1",
        "celery.concurrency.thread:TaskPool", "poolbench run experiments/pools.toml",
    ):  # fmt: skip
        assert word in page
    differing, _, alike = page.partition("Equal for all contenders:")
    assert "worker_concurrency" in differing
    assert "task_acks_late" in alike


def test_it_is_small(summaries: Mapping[str, Summary]) -> None:
    """A report goes by mail: eight contenders on four workloads, with every kind of cost."""
    page = build_page(summaries["capacity"])

    assert len(page.encode()) < 1_000_000
    assert "left out" not in page.lower()


def test_a_page_of_very_much_is_small_and_says_what_it_lacks(
    summaries: Mapping[str, Summary],
) -> None:
    """Throughput comes before other charts of each workload, trials with a mark before others."""
    page = build_page(_crowded(summaries["capacity"], times=15))

    assert 0.9 * MOST_BYTES < len(page.encode()) <= MOST_BYTES
    for words in (
        "The page shows 50 of 60 workloads",
        "Left out: io.sleep-12, io.http-12,",
        "<summary>Trials, in order (9,555)</summary>",
        "The page lists 800 of them, those with a mark before others",
        "<summary>Workers (2,400)</summary>",
        "The page lists 800 of them, those with an exit code other than 0 before others",
        "Without scripts, this chart is too large to draw",
        "Charts left out, to keep the page small: latency-cpu.primes-0, cpu-cpu.primes-0",
    ):
        assert words in page
    assert page.count("<tr><td>~<td>") == 15
    charts = re.findall(r'<figure class="[a-z-]*" id="chart-([a-z]+)', page)
    assert set(charts) == {"advantage", "throughput"}
    assert 10 < charts.count("throughput") < 50


def test_what_a_manifest_says_is_shown(tmp_path: Path) -> None:
    """A title with markup as text, which is not run; that a commit alone repeats nothing."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    experiment = flat_manifest(folder)["experiment"] | {"title": "<script>alert(1)</script>?"}
    git = {"commit": "abc123", "is_dirty": True}
    edit_manifest(folder, experiment=experiment, git=git)

    page = page_of(folder)

    assert "<h1>&lt;script&gt;alert(1)&lt;/script&gt;?</h1>" in page
    assert "uncommitted changes" in page


def test_an_invalid_run_says_so_first(tmp_path: Path) -> None:
    """The head carries the account's fault, and rows their marks with reasons."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    spoil(folder, reasons=[BROKER_LOST])

    page = page_of(folder)

    assert '<p class="integrity bad">All 800 jobs accounted for; 4 rows invalid.</p>' in page
    assert "the broker was lost before the trial" in page
    assert page.count('<abbr class="mark bad"') > 4


def test_a_figure_near_a_limit_of_the_harness_is_signed(tmp_path: Path) -> None:
    """In the table, in the reasons below it; and how to read it."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[3:])
    ceilings = {"upstream_per_s": {"io.http": 86.0}, "redis_per_s": {"solo": 7_654.0}}
    edit_manifest(folder, ceilings=ceilings)

    page = page_of(folder)

    assert re.search(r'</b> <abbr class="mark" title="near the limit of the harness', page)
    assert "upstream" in page
    assert "<dt>upstream alone</dt><dd>io.http 86.0/s</dd>" in page
    assert "<dt>Redis alone</dt><dd>solo 7,654/s</dd>" in page


def test_a_short_run_claims_nothing(tmp_path: Path) -> None:
    """Below five repetitions the page nowhere says 95 %."""
    page = page_of(make_run(tmp_path / "run", workloads=WORKLOADS[:1], blocks=3))

    assert not re.search(r"95\s%\sinterval", page)
    assert "range of the repetitions" in page


def test_an_unfinished_run_without_a_trial_renders(tmp_path: Path) -> None:
    """Dashes and words instead of figures."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    edit_manifest(folder, state="unfinished", trials=[], workers=[], ceilings={}, git={})

    page = page_of(folder)

    assert "No job was measured." in page
    assert "Nothing could be measured." in page


def test_prose_keeps_numbers_with_their_units() -> None:
    """No break between them, nor in a name; code in backticks; markup escaped."""
    found = str(prose("`a<b`: a-4 1.94 × solo [1.90–1.99], 3 % of 12 ms", names=["a-4", "solo"]))

    assert found == (
        '<code>a&lt;b</code>: <span class="keep">a-4</span> '
        "1.94\N{NO-BREAK SPACE}× solo [1.90–1.99], "
        "3\N{NO-BREAK SPACE}% of 12\N{NO-BREAK SPACE}ms"
    )


def test_parts_and_targets_have_their_tables(summaries: Mapping[str, Summary]) -> None:
    """Of a mix alone: who meets which bound, by how many jobs; and each part's latencies."""
    page = build_page(summaries["mix"])

    assert "<h3>Targets</h3>" in page
    assert "short: p95 wait ≤ 200 ms" in page
    assert "4.0" in page
    assert "<h3>By part</h3>" in page
    assert page.count("slowdown p95") == 2
    assert "<h3>Targets</h3>" not in build_page(summaries["rate"])
