"""Unit tests of `collector`."""
