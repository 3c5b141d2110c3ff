"""Whatever stands in a stream, ingest goes on, and nothing of it is dropped unseen."""

from __future__ import annotations

import json
import zlib
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.parse import parse_lines
from collector.schema import PART_SCHEMA
from tests.wire import encode_line

RUN = "r1"


def wire(**more: Any) -> bytes:
    """Return a good line in its wire form, without the newline."""
    line = {"v": 1, "m": "received", "run": RUN, "nonce": "n", "t_ns": 5, **more}
    return encode_line(line).rstrip()


def parse(*texts: bytes) -> pl.DataFrame:
    """Return the rows of one batch."""
    return parse_lines([b"\n".join(texts)], run=RUN)


def test_good_lines_become_rows_in_order() -> None:
    """Each line is a row, with nulls for what it doesn't say."""
    rows = parse(wire(seq=1, error="ä\n"), wire(seq=2, m="finished", state=None), b"", b"  ")

    assert rows.schema == PART_SCHEMA
    assert rows["seq"].to_list() == [1, 2]
    assert rows["error"].to_list() == ["ä\n", None]
    assert rows["reason"].to_list() == [None, None]


def test_batches_need_no_newline_at_their_end() -> None:
    """The last line of one entry and the first of the next stay two lines."""
    rows = parse_lines([wire(seq=1), wire(seq=2) + b"\n", b"", wire(seq=3)], run=RUN)

    assert rows["seq"].to_list() == [1, 2, 3]


@pytest.mark.parametrize("more", [{"novelty": {"deep": [1]}}, {"run": None}], ids=str)
def test_a_line_may_say_more_or_leave_out_its_run(more: dict[str, Any]) -> None:
    """A newer probe may say more, and the stream's name says which run it is."""
    assert parse(wire(seq=4, **more))["seq"].to_list() == [4]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(b"no json", "no JSON object", id="prose"),
        pytest.param(b'{"v":1,"m":"recei', "no JSON object", id="cut-short"),
        pytest.param(b"\xff\xfe\x00\x01", "no JSON object", id="binary"),
        pytest.param(b"[1,2]", "no JSON object", id="a-list"),
        pytest.param(b"null", "no JSON object", id="null"),
        pytest.param(wire() + wire(), "no JSON object", id="two-on-one-line"),
        pytest.param(b'{"x":' + b"[" * 50_000 + b"}", "no JSON object", id="deep-and-long"),
        pytest.param(wire(seq="5"), "no JSON object", id="text-for-a-number"),
        pytest.param(wire(seq=1.5), "no JSON object", id="fraction"),
        pytest.param(wire(t_ns=2**63), "no JSON object", id="beyond-64-bits"),
        pytest.param(wire(gil_enabled=1), "no JSON object", id="number-for-a-flag"),
        pytest.param(b"{}", "not of format 1", id="empty-object"),
        pytest.param(wire(v=2), "not of format 1", id="newer-format"),
        pytest.param(wire(m="alive"), "unknown moment", id="heartbeat"),
        pytest.param(wire(m=None), "unknown moment", id="no-moment"),
        pytest.param(wire(nonce=None), "no nonce", id="null-nonce"),
        pytest.param(wire(nonce=""), "no nonce", id="empty-nonce"),
        pytest.param(wire(t_ns=None), "no time", id="no-time"),
        pytest.param(wire(run="other"), "of another run", id="another-run"),
    ],
)
def test_garbled_line_is_kept_aside_and_its_neighbours_are_not(text: bytes, reason: str) -> None:
    """One bad line costs that line alone; its text, up to a bound, and its reason are kept."""
    rows = parse(wire(seq=1), text, wire(seq=2), wire(seq=3))

    bad = rows.filter(pl.col("rejected").is_not_null())
    assert rows.filter(pl.col("rejected").is_null())["seq"].to_list() == [1, 2, 3]
    assert bad["rejected"].to_list() == [text[:4_096].decode("utf-8", "backslashreplace")]
    assert bad["reason"][0].startswith(reason)
    assert bad["nonce"].to_list() == [None]


_TEXTS = st.one_of(
    st.integers(0, 9).map(lambda seq: wire(seq=seq)),
    st.binary(max_size=20).filter(lambda text: text.strip() and b"\n" not in text),
    st.dictionaries(st.sampled_from(["v", "m", "seq"]), st.none() | st.integers() | st.text()).map(
        lambda found: json.dumps(found).encode()
    ),
)


@pytest.mark.parametrize("magic", [b"x\x01", b"\x1f\x8b\x08", b"(\xb5/\xfd"])
def test_what_looks_compressed_is_not_unpacked(magic: bytes) -> None:
    """The parser takes a content that begins like a zlib, gzip or Zstandard file for one."""
    rows = parse(magic, wire(seq=7))

    assert rows["seq"].to_list() == [None, 7]
    assert rows["reason"].to_list() == ["no JSON object of a line's types", None]
    assert parse(zlib.compress(wire(seq=8)))["seq"].drop_nulls().is_empty()


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(_TEXTS, max_size=12))
def test_every_line_is_a_row(texts: list[bytes]) -> None:
    """Nothing vanishes and nothing is made up, whatever the lines are."""
    rows = parse(*texts)

    good = [text for text in texts if b'"nonce":"n"' in text]
    assert rows.height == len(texts)
    assert rows["rejected"].null_count() == len(good)
    kept = rows.filter(pl.col("rejected").is_null())["seq"].to_list()
    assert kept == [json.loads(text)["seq"] for text in good]
