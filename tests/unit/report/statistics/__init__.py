"""Unit tests of `report/statistics`."""
