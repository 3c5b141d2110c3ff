"""Worker pools of our own."""
