"""The process that runs the lab: its loop, and the steps on it."""
