"""Unit tests of `report/verdicts`."""
