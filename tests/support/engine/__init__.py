"""Docker for a test: an engine without a lab, a daemon of the test's own, a way to it that can be cut."""
