"""Acting as a researcher (privilege separation): worker processes with a researcher's rights, and their work."""
