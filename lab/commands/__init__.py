"""The `poolbench` command: one module for each group of commands."""
