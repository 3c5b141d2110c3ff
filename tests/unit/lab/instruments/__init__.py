"""Unit tests of `lab/instruments`."""
