"""What is known of a project beside what its program printed, and where in its upload things are."""
