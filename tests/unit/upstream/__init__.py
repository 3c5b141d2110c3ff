"""Unit tests of `upstream`."""
