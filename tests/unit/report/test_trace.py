"""The trace for Perfetto: Chrome's Trace Event Format, with slices that nest."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from collector.recording import read_recording
from report.analyses.slot_lanes import lanes_of
from report.trace import to_trace
from tests.lanes import lanes_with
from tests.recordings import RecordedApp, jobs_of, write_recording

_TIME = {"type": "number", "minimum": 0}

#: What the format's documentation says of the events that are written: `Trace Event Format`
#: (Chrome), sections Complete, Counter and Metadata Events. Times are microseconds.
SCHEMA = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "otherData": {"type": "object"},
        "traceEvents": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["ph", "name", "pid", "tid"],
                "properties": {
                    "name": {"type": "string"},
                    "pid": {"type": "integer"},
                    "tid": {"type": "integer"},
                    "args": {"type": "object"},
                },
                "oneOf": [
                    {
                        "required": ["ts", "dur", "cat"],
                        "properties": {"ph": {"const": "X"}, "ts": _TIME, "dur": _TIME},
                    },
                    {
                        "required": ["ts", "args"],
                        "properties": {
                            "ph": {"const": "C"},
                            "ts": _TIME,
                            "args": {"additionalProperties": {"type": "number"}},
                        },
                    },
                    {
                        "required": ["args"],
                        "properties": {
                            "ph": {"const": "M"},
                            "name": {"enum": ["process_name", "thread_name"]},
                            "args": {"required": ["name"]},
                        },
                    },
                ],
            },
        },
    },
}


def test_a_trace_has_the_documented_form(tmp_path: Path) -> None:
    """A process for each worker, a thread for each lane, also for that of all slots."""
    jobs = jobs_of("app.job", [0.0, 0.01, 0.02], {"core": 0.06, "io_wait": 0.05})
    app = RecordedApp(pool="gevent", slots=4, has_lanes=True)
    recording = read_recording(write_recording(tmp_path / "a.pbrec", jobs, app=app))
    lanes = lanes_of(recording, name="gevent-4")
    assert lanes is not None
    trace = json.loads(json.dumps(to_trace([lanes, lanes_with(CORE=1.0)])))

    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(trace, SCHEMA)
    events = trace["traceEvents"]
    names = {one["args"]["name"] for one in events if one["ph"] == "M"}
    assert names == {"gevent-4", "threads-4", "slot 1", "slot 2", "slot 3", "the thread"}
    assert {one["name"] for one in events if one.get("cat") == "state"} >= {"runs", "blocked"}
    assert [one["args"]["jobs"] for one in events if one["ph"] == "C"][-1] == 0


def test_slices_of_a_thread_nest() -> None:
    """Perfetto drops those that overlap: a state lies within its job."""
    events = to_trace([lanes_with(CORE=0.1234567, GIL_WAIT=0.2345678, WAITS=0.1)])["traceEvents"]
    slices = [one for one in events if one["ph"] == "X"]
    (job,) = (one for one in slices if one["cat"] == "job")
    states = [one for one in slices if one["cat"] == "state"]
    assert len(states) == 3
    assert job["ts"] <= states[0]["ts"]
    assert states[-1]["ts"] + states[-1]["dur"] <= job["ts"] + job["dur"] + 0.001
    assert all(
        before["ts"] + before["dur"] <= after["ts"] + 0.001 for before, after in pairwise(states)
    )
