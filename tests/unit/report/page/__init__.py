"""Unit tests of `report/page`."""
