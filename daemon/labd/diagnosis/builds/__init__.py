"""Why libraries could not be installed, and what the researcher can do."""
