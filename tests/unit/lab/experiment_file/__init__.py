"""Unit tests of `lab/experiment_file`."""
