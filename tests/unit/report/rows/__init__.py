"""Unit tests of `report/rows`."""
