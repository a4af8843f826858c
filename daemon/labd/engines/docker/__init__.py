"""Programs as Docker containers on this machine."""
