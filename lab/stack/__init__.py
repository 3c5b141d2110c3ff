"""The stack of services, on Docker or as local processes."""
