"""What several integration tests need beside the server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.working import Upstream, running_upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """One upstream for the module's tests, which don't end it."""
    with running_upstream() as it:
        yield it
