"""What can be asked at the daemon's socket, and who may ask it."""
