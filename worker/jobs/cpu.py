"""Work that computes. A unit is always the same work, about a millisecond on a current core."""

from __future__ import annotations

import hashlib

#: One unit of `primes` counts those below this; there are `PRIMES_PER_UNIT`.
PRIMES_BELOW = 5_000
PRIMES_PER_UNIT = 669

#: What one unit of `sha256` hashes, 1 MiB. No zeros: those would all be one page of memory.
BUFFER = bytes(range(256)) * 4_096


def primes(*, units: int) -> int:
    """Count the primes below `PRIMES_BELOW`, ``units`` times over; return the sum.

    Pure Python: it holds the GIL throughout.
    """
    return sum(_count_primes(PRIMES_BELOW) for _ in range(units))


def sha256(*, units: int) -> str:
    """Hash `BUFFER` ``units`` times in a row; return the digest of the whole in hexadecimal.

    Releases the GIL within each unit, since the buffer is longer than hashlib's threshold.
    """
    digest = hashlib.sha256()
    for _ in range(units):
        digest.update(BUFFER)
    return digest.hexdigest()


def _count_primes(below: int) -> int:
    """Count by trial division; deliberately plain, since how long it takes is the point."""
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
