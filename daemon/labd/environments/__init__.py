"""From what a project asks for to an image that has it. It runs no program of a researcher's."""
