"""Unit tests of `lab/experiment`."""
