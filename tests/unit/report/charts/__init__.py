"""Unit tests of `report/charts`."""
