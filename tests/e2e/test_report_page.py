"""The page in a real browser: drawn, silent, readable on a phone and in the dark, interactive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from collector.recording import read_recording
from report.build import write_reports
from report.page.page import build_page
from report.profile.measure import measure_profile
from report.profile.page import build_page as build_profile
from tests.recordings import RecordedApp, jobs_of, poisson, write_recording
from tests.shapes import SHAPES, empty
from tests.synthetic import BENCH, make_run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

_DESK, _PHONE = (1_400, 800), (390, 844)

each_scheme = pytest.mark.parametrize("scheme", ["light", "dark"])

#: Set when every chart is drawn.
_DRAWN = "body[data-charts=drawn]"

#: Words of charts that lie outside their figure.
_OUTSIDE = """() => [...document.querySelectorAll('figure')].flatMap(figure => {
    const box = figure.getBoundingClientRect();
    return [...figure.querySelectorAll('.plot svg text')].filter(text => {
        const at = text.getBoundingClientRect();
        return at.width && (at.left < box.left - 2 || at.right > box.right + 2);
    }).map(text => text.textContent);
})"""

#: Where the last of what belongs on the first screen ends.
_LOWEST = """() => Math.max(
    ...['h1', '.headline', '.integrity', '.lead-chart h3'].map(css =>
        document.querySelector(css).getBoundingClientRect().bottom),
    Math.min(...[...document.querySelectorAll('.lead-chart .plot .mark-rule path, '
        + '.lead-chart .plot .mark-rule line, .lead-chart .plot .mark-symbol path')]
        .map(mark => mark.getBoundingClientRect().bottom)))"""

#: Of each place for a chart: whether it holds one drawing with a size, marks in colour, and words.
_FILLED = """() => [...document.querySelectorAll('.plot')].map(plot => {
    const svg = plot.querySelectorAll('svg');
    const box = svg[0]?.getBoundingClientRect() ?? {};
    const marks = [...plot.querySelectorAll('path, line')].filter(mark => {
        const style = getComputedStyle(mark);
        return [style.fill, style.stroke].some(paint => paint.startsWith('rgb'));
    });
    const words = plot.querySelectorAll('text');
    return svg.length === 1 && box.width > 200 && box.height > 60 && marks.length > 0
        && words.length > 3;
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
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The page of each shape of run."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in {**SHAPES, "empty": empty}.items():
        page = build_page(make(tmp_path_factory.mktemp("run")))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in (*SHAPES, "empty")}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of seven contenders on four workloads, as a run leaves it."""
    folder = make_run(tmp_path_factory.mktemp("run"), contenders=BENCH)
    write_reports(folder.path)
    return folder.path / "report.html"


def opened(
    browser: Browser, path: Path, *, scheme: str = "light", size: tuple[int, int] = _DESK
) -> Page:
    """Return a page without a network, with all of its charts drawn."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": size[0], "height": size[1]},
        offline=True,
        # Playwright waits for a function by eval, which the page's policy forbids
        bypass_csp=True,
    )
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(_DRAWN, timeout=60_000)
    return page


@each_scheme
@pytest.mark.parametrize("shape", [*SHAPES, "empty"])
def test_it_is_whole_and_silent_on_a_desk_and_a_phone(
    browser: Browser, pages: Mapping[str, Path], shape: str, scheme: str
) -> None:
    """Every chart drawn, no request, no breach of the policy, no word or table out of place.

    The first screen has question, answer and account, and the first of the lead chart's marks.
    """
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for width, height in (_DESK, _PHONE):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(pages[shape].as_uri())
        page.wait_for_selector(_DRAWN, timeout=60_000)

        assert page.evaluate(_LOWEST) < height
        assert all(page.evaluate(_FILLED))
        assert page.evaluate(_OUTSIDE) == []
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    assert [url for url in asked if not url.startswith("data:")] == [pages[shape].as_uri()] * 2
    assert said == []
    context.close()


@each_scheme
def test_the_page_of_a_profile_is_drawn_on_a_desk_and_a_phone(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    """Every chart has marks and words inside its figure, and nothing is wider than the window."""
    states = {"core_held": 0.02, "gil_wait": 0.03, "any_lock": 0.01, "io_wait": 0.04}
    jobs = jobs_of("shop.a_task_with_a_long_name", poisson(per_s=9, duration_s=30), states)
    app = RecordedApp(pool="threads", tasks={jobs[0].task: {"time_limit": 5}})
    recording = read_recording(write_recording(tmp_path / "shop.pbrec", jobs, app=app))
    path = tmp_path / "shop.html"
    path.write_text(build_profile(measure_profile(recording)), encoding="utf-8")

    for size in (_DESK, _PHONE):
        page = opened(browser, path, scheme=scheme, size=size)
        assert all(page.evaluate(_FILLED))
        assert page.evaluate(_OUTSIDE) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.context.close()


@pytest.mark.parametrize("width", [320, 768, 1_024])
def test_nothing_scrolls_sideways_at_other_widths(
    browser: Browser, report: Path, width: int
) -> None:
    """The page is never wider than its window, and charts follow one that changes."""
    page = opened(browser, report)
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_function(
        f"[...document.querySelectorAll('.plot svg')].every("
        f"svg => svg.getBoundingClientRect().right <= {width})"
    )

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_a_pointer_on_a_mark_shows_its_value_with_its_unit(browser: Browser, report: Path) -> None:
    """Of a ratio its interval, of a bar its unit; and nothing once the pointer is elsewhere."""
    page = opened(browser, report)
    tooltip = page.locator("#vg-tooltip-element")

    page.locator(".lead-chart .plot").first.locator("path[stroke='var(--ground)']").first.hover()
    ratio = tooltip.inner_text().split("\n")
    page.locator("#chart-memory-cpu\\.primes path[fill='var(--pool-prefork)']").first.hover()
    memory = tooltip.inner_text()
    page.mouse.move(1, 1)

    assert "contender" in ratio[0]
    assert any("× solo" in line and "1.9" in line for line in ratio)
    assert any("95 % interval" in line and "–" in line for line in ratio)
    assert "prefork-4" in memory
    assert "MB" in memory
    assert not tooltip.is_visible()
    page.context.close()


def test_a_legend_hides_a_series_and_shows_it_again(browser: Browser, report: Path) -> None:
    """In every chart of its section and in no other; its lane keeps its place."""
    page = opened(browser, report)
    counts = """() => ['#workload-1 .plot', '#workload-2 .plot', '.lead-chart .plot'].map(css =>
        [...document.querySelectorAll(css)].map(plot =>
            plot.querySelectorAll('[fill*=pool-solo], [stroke*=pool-solo]').length))"""
    height = "document.querySelector('#workload-1 .plot svg').getBoundingClientRect().height"
    before, tall = page.evaluate(counts), page.evaluate(height)
    entry = page.locator("#workload-1 > .legend button", has_text="solo")

    entry.click()
    page.wait_for_function(f"({counts})()[0].every(count => count === 0)")
    hidden = page.evaluate(counts)

    assert all(count > 0 for charts in before for count in charts)
    assert hidden[1:] == before[1:]
    assert page.evaluate(height) == tall
    assert entry.get_attribute("aria-pressed") == "false"
    entry.click()
    page.wait_for_function(f"({counts})()[0].every(count => count > 0)")
    assert page.evaluate(counts) == before
    page.context.close()


@each_scheme
def test_the_scheme_reaches_page_and_charts(browser: Browser, report: Path, scheme: str) -> None:
    """Dark ground with light words, and the other way round; in the drawings too."""
    page = opened(browser, report, scheme=scheme)

    ground, ink, label = page.evaluate(
        """() => {
            const add = (sum, part) => sum + Number(part);
            const light = rgb => rgb.match(/\\d+/g).slice(0, 3).reduce(add, 0);
            const of = (css, name) => light(getComputedStyle(document.querySelector(css))[name]);
            return [of('body', 'backgroundColor'), of('body', 'color'), of('.plot text', 'fill')];
        }"""
    )

    is_dark = ground < 200
    assert is_dark == (scheme == "dark")
    assert (ink > 500) == (label > 400) == is_dark
    page.context.close()


def test_the_whole_chart_of_a_run_is_on_the_first_screen(browser: Browser, report: Path) -> None:
    """Of seven contenders on four workloads, down to its axes."""
    page = opened(browser, report)

    box = page.locator(".lead-chart .panels").bounding_box()

    assert box is not None
    assert box["y"] + box["height"] < _DESK[1]
    page.context.close()


def test_print_is_light_and_as_wide_as_the_paper(browser: Browser, report: Path) -> None:
    """Paper is white, whatever the screen; no chart is cut."""
    page = opened(browser, report, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 700, "height": 900})

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.querySelector('.panels').scrollWidth") <= 700
    page.context.close()


def test_without_scripts_the_first_chart_and_all_tables_are_there(
    browser: Browser, report: Path
) -> None:
    """A static drawing in place of the panels, no legend that does nothing, and the data."""
    context = browser.new_context(java_script_enabled=False, viewport=None)
    page = context.new_page()
    page.goto(report.as_uri())

    box = page.locator(".still svg").bounding_box()
    assert box is not None
    assert box["width"] > 500
    assert not page.locator(".legend").first.is_visible()
    page.locator("figure summary").nth(1).click()
    assert page.locator("figure table").nth(1).is_visible()
    context.close()
