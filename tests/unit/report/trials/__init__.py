"""Unit tests of `report/trials`."""
