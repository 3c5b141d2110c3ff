"""Unit tests of `poolbench`."""
