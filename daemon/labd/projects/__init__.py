"""Reading a project: its language, its options, its dependencies, its imports."""
