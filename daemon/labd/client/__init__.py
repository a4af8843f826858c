"""The other end of the daemon's socket: questions, and how their answers look on a terminal. Standard library only."""
