"""The command line: ``python -m project.load``."""
