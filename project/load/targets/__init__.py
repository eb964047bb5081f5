"""What can be driven. One module a kind; ``targets.kinds`` is the table."""
