"""What the administrator has beside the daemon: installation, and checks of the server."""
