"""Pure data: jobs and their states, the configuration, languages, names in an inbox. It opens config files only."""
