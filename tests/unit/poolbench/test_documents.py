"""The documents that jobs parse and fetch."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from poolbench.documents import SHORTEST_BYTES, make_document


@given(st.integers(0, 20_000))
def test_a_document_has_the_length_asked_for(size_bytes: int) -> None:
    """To the byte, from the shortest on; it is JSON with items, and always the same."""
    document = make_document(size_bytes)

    found = json.loads(document)

    assert len(document) == max(size_bytes, SHORTEST_BYTES)
    assert set(found) == {"items", "fill"}
    make_document.cache_clear()
    assert make_document(size_bytes) == document


def test_a_document_is_mostly_items() -> None:
    """What fills the rest is shorter than an item, so that parsing is most of the work."""
    found = json.loads(make_document(80_000))

    assert len(found["fill"]) < 150
    assert [item["id"] for item in found["items"]] == list(range(len(found["items"])))
    assert len(found["items"]) > 500
