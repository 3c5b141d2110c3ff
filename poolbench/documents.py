"""Generates the JSON documents that jobs fetch: the same document for the same length."""

from __future__ import annotations

import functools
import json

_HEAD, _FILL, _END = '{"items":[', '],"fill":"', '"}'

#: Length of a document without an item, bytes.
SHORTEST_BYTES = len(_HEAD + _FILL + _END)


@functools.lru_cache(maxsize=8)
def make_document(size_bytes: int) -> bytes:
    """Return a JSON object of ``size_bytes``, but at least `SHORTEST_BYTES`.

    It contains ``items`` of about a hundred bytes each, and a ``fill`` for the remaining length.
    """
    items: list[str] = []
    left_bytes = size_bytes - SHORTEST_BYTES
    item = _item(0)
    # with the comma before it
    while (size := len(item) + bool(items)) <= left_bytes:
        items.append(item)
        left_bytes -= size
        item = _item(len(items))
    text = _HEAD + ",".join(items) + _FILL + "x" * max(0, left_bytes) + _END
    return text.encode("ascii")


def _item(index: int) -> str:
    """Return one item, like those of an API's answers: text, numbers, a flag, a list, an object."""
    item = {
        "id": index,
        "name": f"item-{index * 7_919 % 10_007:05d}",
        "price": index * 31 % 9_973 / 100,
        "is_known": index % 3 == 0,
        "tags": ["one", "two"][: index % 3],
        "at": {"x": index % 17, "y": -index % 23},
    }
    return json.dumps(item, separators=(",", ":"))
