"""Unit tests of `report/analyses`."""
