"""A user's app in experiments: its Python, its safety, its workers."""
