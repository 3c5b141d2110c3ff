"""Unit tests of `poolbench/userapp`."""
