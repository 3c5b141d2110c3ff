"""Conducts experiments and manages the stack; it starts workers and never imports them."""
