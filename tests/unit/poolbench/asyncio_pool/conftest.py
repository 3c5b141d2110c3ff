"""A pool for each test of the asyncio pool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.poolbench.asyncio_pool.crew import Crew, started_crew


@pytest.fixture
def crew() -> Iterator[Crew]:
    """A pool of two slots."""
    with started_crew() as it:
        yield it
