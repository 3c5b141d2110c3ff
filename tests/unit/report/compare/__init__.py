"""Unit tests of `report/compare`."""
