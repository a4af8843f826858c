"""A lab in a box: a whole server in a container, and containers that are the researchers' PCs."""
