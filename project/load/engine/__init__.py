"""Runs a plan against a target."""
