"""The chart of slots: a panel for each worker, on one time axis, with keys."""

from __future__ import annotations

import re

import pytest

from report.analyses.slot_lanes import Lane, LaneJob, Segment, SlotLanes, State
from report.charts.render import figure_json, to_image
from report.charts.slots import LOOKS, finding, slot_chart
from report.palette import STATE_SHADES
from tests.lanes import lanes_with


def test_all_panels_have_one_time_axis_and_their_finding_as_title() -> None:
    """The longest one ends it; a title has the shares of at least 2 %."""
    chart = slot_chart(
        [lanes_with(CORE=0.97, WAITS=0.02, GIL_WAIT=0.01), lanes_with("slow", CORE=2.0)],
        name="lanes",
        title="What each slot does",
    )
    assert [panel.title for panel in chart.panels] == [
        "threads-4: 1 job in 1.00 s · 97 % on a core · 2 % waits",
        "slow: 1 job in 2.00 s · 100 % on a core",
    ]
    domains = [
        layer["encoding"]["x"]["scale"]["domain"]
        for panel in chart.panels
        for layer in panel.spec["layer"]
    ]
    assert domains == [[0, 2.0]] * 4
    assert chart.is_zoomable


def test_keys_are_the_states_that_are_drawn() -> None:
    """And the queue, if a job has waited."""
    keys = slot_chart([lanes_with(CORE=0.5, GIL_WAIT=0.5)], name="x", title="x").keys
    assert [key.name for key in keys] == ["on a core", "waits for the GIL"]
    keys = slot_chart([lanes_with(CORE=1.0, waited_s=0.5)], name="x", title="x").keys
    assert [key.name for key in keys] == ["in the queue", "on a core"]


def test_every_state_has_a_look_of_its_own() -> None:
    """With a colour of the palette, and another name in tables."""
    assert LOOKS.keys() == set(State)
    assert {look.shade for look in LOOKS.values()} <= STATE_SHADES.keys()
    for names in ([one.name for one in LOOKS.values()], [one.short for one in LOOKS.values()]):
        assert len(set(names)) == len(names)


def test_a_card_has_the_times_of_its_job() -> None:
    """Its table has a row for each job, and a column for each state of any job."""
    chart = slot_chart([lanes_with(CORE=0.25, GIL_WAIT=0.75, waited_s=0.1)], name="x", title="x")
    (row,) = chart.cells
    card = dict(zip(chart.header, row, strict=True))
    assert card["on a core"] == "250 ms"
    assert card["waits for the GIL"] == "750 ms"
    assert card["waited before"] == "100 ms"
    assert card["lane"] == "slot 1"


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_an_image_has_its_keys(suffix: str) -> None:
    """It needs no page around it."""
    chart = slot_chart([lanes_with(CORE=0.5, GIL_WAIT=0.5)], name="x", title="Two threads")
    image = to_image(chart, suffix=suffix)
    if suffix == ".png":
        assert image.startswith(b"\x89PNG\r\n\x1a\n")
        assert image.endswith(b"IEND\xaeB`\x82")
        return
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", image.decode())
    assert {"Two threads", "on a core", "waits for the GIL", "slot 1"} <= set(texts)


def test_a_page_gets_the_rows_of_all_panels() -> None:
    """Panels that are drawn alike have one specification."""
    chart = slot_chart([lanes_with(CORE=1.0), lanes_with("b", CORE=1.0)], name="x", title="x")
    assert figure_json(chart).count('"mark"') == 2


def test_notes_say_what_the_picture_lacks() -> None:
    """Samples and their cost, what is left out, and a GIL that can't be distinguished."""
    lanes = lanes_with(
        CORE=1.0, sampler_share=0.03, left_out=7, gil_reason="no permission", has_steps=False
    )
    text = " ".join(slot_chart([lanes], name="x", title="x").notes)
    assert "200 times a second" in text
    assert "3 % of a core" in text
    assert "7 later jobs left out" in text
    assert "no permission" in text
    assert "its recording has no lanes" in text


def test_many_slots_are_cut() -> None:
    """A picture with hundreds of lanes shows nothing."""
    segment = Segment(state=State.CORE, begin_s=0.0, end_s=1.0)
    job = lanes_with(CORE=1.0).jobs[0]
    lanes = SlotLanes(
        name="gevent-100",
        pool="gevent",
        slots=tuple(Lane(name=f"slot {number}", segments=(segment,)) for number in range(1, 101)),
        threads=(),
        jobs=tuple(
            LaneJob(
                number=lane + 1,
                kind=job.kind,
                outcome=job.outcome,
                lane=lane,
                begin_s=0.0,
                end_s=1.0,
                waited_s=0.0,
                states_s={State.CORE: 1.0},
            )
            for lane in range(100)
        ),
        waiting=((0.0, 0),),
        sample_hz=200,
        sampler_share=None,
    )
    chart = slot_chart([lanes], name="x", title="x")
    assert len({row["lane"] for row in chart.rows}) == 32
    assert "the first 32 of 100 slots" in " ".join(chart.notes)
    assert finding(lanes).startswith("100 jobs in 1.00 s")
