"""The slow service that I/O jobs call over real sockets."""
