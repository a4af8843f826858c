"""Why something failed, and what the researcher can do: one module for a language. Pure."""
