"""What several folders of these tests look at."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from report.compare.model import Comparison
from report.result import Summary
from tests.pairs import compare_folders, make_pair
from tests.shapes import SHAPES, empty


@pytest.fixture(scope="session")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Summary]:
    """A summary of each shape of run, and of one that was stopped before its first trial."""
    shapes = {**SHAPES, "empty": empty}
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in shapes.items()}


@pytest.fixture(scope="session")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """B's gevent does 0.7 × the work of A's; its threads do the same."""
    return compare_folders(make_pair(tmp_path_factory.mktemp("pair"), speeds={"gevent-4": 0.7}))
