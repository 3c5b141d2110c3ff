"""The page in a real browser: drawn, silent, and readable on a phone and in the dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from report.build import write_reports
from report.page.page import build_page
from tests.crossing import make_crossing
from tests.shapes import SHAPES, empty
from tests.synthetic import BENCH, make_run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

_SCHEMES = ("light", "dark")
_DESK, _PHONE = (1280, 800), (390, 844)


#: Words of charts that lie outside their figure.
_OUTSIDE = """() => [...document.querySelectorAll('figure')].flatMap(figure => {
    const box = figure.getBoundingClientRect();
    return [...figure.querySelectorAll('svg text')].filter(text => {
        const at = text.getBoundingClientRect();
        return at.width && (at.left < box.left - 1 || at.right > box.right + 1);
    }).map(text => text.textContent);
})"""


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


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The page of each shape of run."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in SHAPES.items():
        summary, manifest = make(tmp_path_factory.mktemp("run"))
        page = build_page(summary, manifest=manifest)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in SHAPES}


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


@pytest.mark.parametrize("shape", SHAPES)
def test_it_asks_for_nothing_and_complains_of_nothing(
    browser: Browser, pages: Mapping[str, Path], shape: str, scheme: str
) -> None:
    """No request but the file itself; no error, no warning."""
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    page.goto(pages[shape].as_uri())
    page.wait_for_load_state("networkidle")

    assert [url for url in asked if not url.startswith("data:")] == [pages[shape].as_uri()]
    assert said == []
    context.close()


@pytest.mark.parametrize("size", [_DESK, _PHONE])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_chart_is_drawn_and_none_twice(
    browser: Browser, pages: Mapping[str, Path], shape: str, scheme: str, size: tuple[int, int]
) -> None:
    """Each figure shows one of its two drawings: with a size, marks in colour, and words."""
    page = opened(browser, pages[shape], scheme=scheme, size=size)

    drawn = page.evaluate(
        """() => [...document.querySelectorAll('figure')].map(figure => {
            const shown = [...figure.querySelectorAll('svg')].filter(svg =>
                svg.getBoundingClientRect().width > 200 &&
                svg.getBoundingClientRect().height > 60);
            const marks = shown.flatMap(svg => [...svg.querySelectorAll('line, path')]);
            const seen = marks.filter(mark => {
                const style = getComputedStyle(mark);
                return [style.fill, style.stroke].some(paint => paint.startsWith('rgb'));
            });
            const words = shown.flatMap(svg => [...svg.querySelectorAll('text')]);
            return [shown.length, seen.length > 0, words.length > 3];
        })"""
    )

    assert len(drawn) > 5
    assert all(found == [1, True, True] for found in drawn)
    page.context.close()


@pytest.mark.parametrize("width", [_DESK[0], _PHONE[0]])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_run_is_wider_than_its_window(
    browser: Browser, pages: Mapping[str, Path], shape: str, width: int
) -> None:
    """With every table open, too; and no word of a chart lies outside its figure."""
    page = opened(browser, pages[shape], scheme="light", size=(width, 844))
    outside = page.evaluate(_OUTSIDE)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert outside == []
    page.context.close()


@pytest.mark.parametrize("size", [_DESK, _PHONE])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_screen_answers(
    browser: Browser, pages: Mapping[str, Path], shape: str, size: tuple[int, int]
) -> None:
    """Question, answer and account whole; of the chart, its title and the first of its marks."""
    page = opened(browser, pages[shape], scheme="light", size=size)

    for css in ("h1", ".headline", ".integrity", ".hero h3"):
        box = page.locator(css).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < size[1]
    begins = page.evaluate(
        """() => Math.min(...['fill', 'stroke']
            .flatMap(paint => [...document.querySelectorAll(`.hero svg [${paint}*=pool]`)])
            .map(mark => mark.getBoundingClientRect()).filter(box => box.width + box.height > 0)
            .map(box => box.bottom))"""
    )
    assert begins < size[1]
    page.context.close()


@pytest.mark.parametrize("size", [_DESK, _PHONE])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_words_of_charts_are_large_enough(
    browser: Browser, pages: Mapping[str, Path], shape: str, size: tuple[int, int]
) -> None:
    """Ten pixels as seen, also where a phone shrinks a drawing."""
    page = opened(browser, pages[shape], scheme="light", size=size)

    smallest_px = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('.chart svg')]
            .filter(svg => svg.getBoundingClientRect().width > 0)
            .flatMap(svg => [...svg.querySelectorAll('text')].map(text =>
                parseFloat(getComputedStyle(text).fontSize)
                * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)))"""
    )

    assert smallest_px >= 10
    page.context.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1280])
def test_nothing_scrolls_sideways(browser: Browser, report: Path, width: int) -> None:
    """The page is never wider than its window; wide tables scroll by themselves."""
    page = opened(browser, report, scheme="light", size=(width, 844))
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
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
                const figure = document.querySelector('figure.hero');
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


def test_the_whole_chart_of_a_run_is_on_the_first_screen(browser: Browser, report: Path) -> None:
    """Of seven contenders on four workloads, down to its axis."""
    page = opened(browser, report, scheme="light", size=_DESK)

    box = page.locator(".hero svg").first.bounding_box()

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
    summary, manifest = empty(tmp_path / "run")
    path = tmp_path / "report.html"
    path.write_text(build_page(summary, manifest=manifest), encoding="utf-8")

    page = opened(browser, path, scheme="light", size=_PHONE)

    assert page.get_by_text("No job was measured.").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE[0]
    page.context.close()
