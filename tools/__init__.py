"""Jobs of the Makefile."""
