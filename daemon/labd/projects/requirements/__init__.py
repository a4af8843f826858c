"""Lists of libraries as people write them: their lines, and the files that they name."""
