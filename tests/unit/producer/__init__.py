"""Unit tests of `producer`."""
