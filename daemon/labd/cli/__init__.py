"""What is typed: the parser, and one function for a command."""
