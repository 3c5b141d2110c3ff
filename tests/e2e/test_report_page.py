"""The page in a real browser: drawn, silent, and readable on a phone and in the dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from report import write_reports
from tests.crossing import make_crossing
from tests.synthetic import BENCH, edit_manifest, make_run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

_SCHEMES = ("light", "dark")
_DESK, _PHONE = (1280, 800), (390, 844)


def find_chromium() -> str:
    """Return the browser: ``$CHROMIUM``, or the system's; skip without one, fail in CI."""
    named = os.environ.get("CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser")
    if found and Path(found).exists():
        return found
    reason = "no Chromium: install chromium, or set CHROMIUM to its program"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One headless Chromium."""
    program = find_chromium()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of seven contenders on four workloads."""
    folder = make_run(tmp_path_factory.mktemp("run"), contenders=BENCH)
    write_reports(folder.path)
    return folder.path / "report.html"


@pytest.fixture(params=_SCHEMES)
def scheme(request: pytest.FixtureRequest) -> str:
    """Light, then dark."""
    return str(request.param)


def opened(browser: Browser, path: Path, *, scheme: str, size: tuple[int, int]) -> Page:
    """Return a page without a network that shows the report."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": size[0], "height": size[1]},
        offline=True,
    )
    page = context.new_page()
    page.goto(path.as_uri())
    return page


def test_it_asks_for_nothing_and_complains_of_nothing(
    browser: Browser, report: Path, scheme: str
) -> None:
    """No request but the file itself; no error, no warning."""
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")

    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert said == []
    context.close()


@pytest.mark.parametrize("size", [_DESK, _PHONE])
def test_every_chart_is_drawn_and_none_twice(
    browser: Browser, report: Path, scheme: str, size: tuple[int, int]
) -> None:
    """Each figure shows one of its two drawings, and it has a size."""
    page = opened(browser, report, scheme=scheme, size=size)

    drawn = page.evaluate(
        """() => [...document.querySelectorAll('figure')].map(figure =>
            [...figure.querySelectorAll('svg')].filter(svg =>
                svg.getBoundingClientRect().width > 200 &&
                svg.getBoundingClientRect().height > 80).length)"""
    )

    assert drawn == [1] * (1 + 4 * 5)
    page.context.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1280])
def test_nothing_scrolls_sideways(browser: Browser, report: Path, width: int) -> None:
    """The page is never wider than its window; wide tables scroll by themselves."""
    page = opened(browser, report, scheme="light", size=(width, 844))
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


@pytest.mark.parametrize("size", [_DESK, _PHONE])
def test_no_word_of_a_chart_is_cut(browser: Browser, report: Path, size: tuple[int, int]) -> None:
    """Every label lies within its drawing's figure."""
    page = opened(browser, report, scheme="light", size=size)

    outside = page.evaluate(
        """() => [...document.querySelectorAll('figure')].flatMap(figure => {
            const box = figure.getBoundingClientRect();
            return [...figure.querySelectorAll('svg text')].filter(text => {
                const at = text.getBoundingClientRect();
                return at.width && (at.left < box.left - 1 || at.right > box.right + 1);
            }).map(text => text.textContent);
        })"""
    )

    assert outside == []
    page.context.close()


def test_a_crossover_is_drawn_and_readable_everywhere(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    """On a desk and on a phone: one drawing, no word outside it, no name upon another."""
    folder = make_crossing(tmp_path / "run", blocks=2)
    write_reports(folder.path)
    for size in (_DESK, _PHONE):
        page = opened(browser, folder.path / "report.html", scheme=scheme, size=size)

        drawn, outside, heights = page.evaluate(
            """() => {
                const figure = document.querySelector('#crossover-1 figure');
                const box = figure.getBoundingClientRect();
                const shown = [...figure.querySelectorAll('svg')].filter(
                    svg => svg.getBoundingClientRect().height > 200);
                const words = [...shown[0].querySelectorAll('text')];
                const at = word => word.getBoundingClientRect();
                const name = /^(prefork|threads|gevent|asyncio|solo)\\S*( \\(\\d+\\))?$/;
                const names = words.filter(word => name.test(word.textContent));
                return [
                    shown.length,
                    words.filter(word => at(word).width && (
                        at(word).left < box.left - 1 || at(word).right > box.right + 1)
                    ).map(word => word.textContent),
                    names.map(word => at(word).top).sort((one, other) => one - other),
                ];
            }"""
        )

        assert (drawn, outside, len(heights)) == (1, [], 6)
        assert min(below - above for above, below in pairwise(heights)) >= 12
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.context.close()


def test_the_scheme_reaches_page_and_charts(browser: Browser, report: Path, scheme: str) -> None:
    """Dark ground with light words, and the other way round; in the drawings too."""
    page = opened(browser, report, scheme=scheme, size=_DESK)

    ground, ink, label = page.evaluate(
        """() => {
            const add = (sum, part) => sum + Number(part);
            const light = rgb => rgb.match(/\\d+/g).slice(0, 3).reduce(add, 0);
            const of = (css, name) => light(getComputedStyle(document.querySelector(css))[name]);
            return [of('body', 'backgroundColor'), of('body', 'color'), of('svg text', 'fill')];
        }"""
    )

    is_dark = ground < 200
    assert is_dark == (scheme == "dark")
    assert (ink > 500) == (label > 300) == is_dark
    page.context.close()


def test_the_answer_is_on_the_first_screen(browser: Browser, report: Path) -> None:
    """Question, account, the first verdict and the chart's head, without scrolling."""
    page = opened(browser, report, scheme="light", size=_DESK)

    for words in ("Which pool, for which", "All 22,000 jobs", "the GIL lets one", "How many times"):
        box = page.get_by_text(words).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < _DESK[1]
    page.context.close()


def test_print_is_light_whatever_the_screen(browser: Browser, report: Path) -> None:
    """Paper is white."""
    page = opened(browser, report, scheme="dark", size=_DESK)
    page.emulate_media(media="print", color_scheme="dark")

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert ground == "rgb(255, 255, 255)"
    page.context.close()


def test_an_empty_run_is_a_page_too(browser: Browser, tmp_path: Path) -> None:
    """Stopped before its first trial: words, empty lanes, no sideways scroll."""
    folder = make_run(tmp_path / "run")
    edit_manifest(folder, state="unfinished", trials=[])
    write_reports(folder.path)

    page = opened(browser, folder.path / "report.html", scheme="light", size=_PHONE)

    assert page.get_by_text("No job was measured.").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE[0]
    page.context.close()
