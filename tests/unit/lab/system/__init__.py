"""Unit tests of `lab/system`."""
