"""Unit tests of `report/profile`."""
