"""CPU-bound work. A unit is a fixed amount of work, about a millisecond on a current core."""

from __future__ import annotations

import functools
import hashlib
import json
import zlib

from poolbench.documents import make_document

#: Upper bound of the primes that one unit of `primes` counts; there are `PRIMES_PER_UNIT`.
PRIMES_BELOW = 5_000
PRIMES_PER_UNIT = 669

#: Buffer that one unit of `sha256` hashes, 1 MiB. It is not all zeros, which would share one page.
BUFFER = bytes(range(256)) * 4_096

#: Length of the document that one unit of `parse` parses, and of the text that one of `compress`
#: compresses, bytes.
DOCUMENT_BYTES = 80_000
TEXT_BYTES = 32_768


def primes(*, units: int) -> int:
    """Count the primes below `PRIMES_BELOW`, ``units`` times over; return the sum.

    It is pure Python and always holds the GIL.
    """
    return sum(count_primes(PRIMES_BELOW) for _ in range(units))


def parse(*, units: int) -> int:
    """Parse a JSON document ``units`` times over; return the total number of items.

    It holds the GIL: the parser is C code, but every value that it creates is a Python object.
    """
    document = make_document(DOCUMENT_BYTES)
    return sum(len(json.loads(document)["items"]) for _ in range(units))


def sha256(*, units: int) -> str:
    """Hash `BUFFER` ``units`` times in a row; return the digest of the whole in hexadecimal.

    Releases the GIL within each unit, since the buffer is longer than hashlib's threshold.
    """
    digest = hashlib.sha256()
    for _ in range(units):
        digest.update(BUFFER)
    return digest.hexdigest()


def compress(*, units: int) -> int:
    """Compress a text ``units`` times over; return the total length of the output, bytes.

    Releases the GIL within each unit.
    """
    text = make_text()
    return sum(len(zlib.compress(text)) for _ in range(units))


@functools.cache
def make_text() -> bytes:
    """Return `TEXT_BYTES` of hexadecimal digits, which compress to half and never repeat."""
    digests = (hashlib.sha256(b"%d" % index).hexdigest() for index in range(TEXT_BYTES // 64))
    return "".join(digests).encode("ascii")


def count_primes(below: int) -> int:
    """Return the number of primes below a number, by trial division, which is deliberately slow."""
    count = 1  # 2
    for candidate in range(3, below, 2):
        divisor = 3
        while divisor * divisor <= candidate:
            if candidate % divisor == 0:
                break
            divisor += 2
        else:
            count += 1
    return count
