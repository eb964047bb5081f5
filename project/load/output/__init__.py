"""What a run leaves behind. ``folder`` writes; ``shapes`` are the JSON shapes other programs read."""
