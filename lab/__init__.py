"""The lab conducts experiments and keeps the stack; it starts workers and never imports them."""
