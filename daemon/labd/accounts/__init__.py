"""Researchers: who they are, their keys, how they are made and removed."""
