"""Unit tests of `report/terminal`."""
