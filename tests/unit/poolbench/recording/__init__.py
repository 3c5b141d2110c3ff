"""Unit tests of `poolbench/recording`."""
