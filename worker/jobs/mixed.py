"""Work that waits and computes: where pools change places."""

from __future__ import annotations

import hashlib
import json

from poolbench.documents import make_document
from worker.jobs import io
from worker.jobs.cpu import count_primes

#: One unit of `share` counts the primes below this, a tenth of a millisecond; there are so many.
#: Smaller than those of `cpu`, since a tenth of a short job must be a number of them.
PRIMES_BELOW = 1_000
PRIMES_PER_UNIT = 168


def fetch(*, delay_ms: float, size_bytes: int) -> str:
    """Ask upstream for a JSON document, parse it and hash it; return the digest in hexadecimal.

    Raises what `io.http` raises.
    """
    return digest(io.answer("/json", delay_ms=delay_ms, size_bytes=size_bytes))


async def fetch_async(*, delay_ms: float, size_bytes: int) -> str:
    """Do what `fetch` does, on the event loop, which the parsing blocks."""
    return digest(await io.answer_async("/json", delay_ms=delay_ms, size_bytes=size_bytes))


def share(*, units: int, delay_ms: float) -> int:
    """Wait, then count primes below `PRIMES_BELOW` ``units`` times over; return the sum.

    Neither part is there at all where its number is zero.
    """
    io.sleep(delay_ms=delay_ms)
    return share_work(units=units)


async def share_async(*, units: int, delay_ms: float) -> int:
    """Do what `share` does, on the event loop, which the computing blocks."""
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
        io.UpstreamError: if it is no JSON with items.
    """
    try:
        items = json.loads(document)["items"]
    except (ValueError, KeyError, TypeError) as error:
        raise io.UpstreamError(f"no document with items: {document[:40]!r}") from error
    return hashlib.sha256(b"%d " % len(items) + document).hexdigest()
