"""Unit tests of `report`."""
