"""Work that waits and computes, for which the best pool depends on the share of computing."""

from __future__ import annotations

import hashlib
import json

from poolbench.documents import make_document
from worker.jobs import io
from worker.jobs.cpu import count_primes

#: Upper bound of the primes that one unit of `share` counts, and their number. A unit takes a tenth
#: of a millisecond, less than in `cpu`, so that 10 % of a short job is a whole number of units.
PRIMES_BELOW = 1_000
PRIMES_PER_UNIT = 168


def fetch(*, delay_ms: float, size_bytes: int) -> str:
    """Request a JSON document from upstream, parse it and hash it; return the hexadecimal digest.

    Raises the same exceptions as `io.http`.
    """
    return digest(io.answer("/json", delay_ms=delay_ms, size_bytes=size_bytes))


async def fetch_async(*, delay_ms: float, size_bytes: int) -> str:
    """Like `fetch`, on the event loop, which the parsing blocks."""
    return digest(await io.answer_async("/json", delay_ms=delay_ms, size_bytes=size_bytes))


def share(*, units: int, delay_ms: float) -> int:
    """Wait, then count primes below `PRIMES_BELOW` ``units`` times over; return the sum.

    A part whose number is zero is skipped.
    """
    io.sleep(delay_ms=delay_ms)
    return share_work(units=units)


async def share_async(*, units: int, delay_ms: float) -> int:
    """Like `share`, on the event loop, which the computing blocks."""
    await io.sleep_async(delay_ms=delay_ms)
    return share_work(units=units)


def fetch_work(*, size_bytes: int, **_waits: float) -> str:
    """Do the computing part of `fetch`."""
    return digest(make_document(size_bytes))


def share_work(*, units: int, **_waits: float) -> int:
    """Do the computing part of `share`."""
    return sum(count_primes(PRIMES_BELOW) for _ in range(units))


def digest(document: bytes) -> str:
    """Parse a document and hash it.

    Raises:
        io.UpstreamError: if it is not JSON with items.
    """
    try:
        items = json.loads(document)["items"]
    except (ValueError, KeyError, TypeError) as error:
        raise io.UpstreamError(f"no document with items: {document[:40]!r}") from error
    return hashlib.sha256(b"%d " % len(items) + document).hexdigest()
