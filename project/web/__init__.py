"""Rooms of the site, a flat module each with its blueprint inside. A view parses, calls one use case, and answers."""
