"""labd: drop a folder, get a result."""

__version__ = "0.1.0"
