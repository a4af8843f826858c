"""What researchers send with, and what cuts it."""
