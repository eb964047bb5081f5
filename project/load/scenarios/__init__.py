"""What kinds of run there are. ``scenarios.table`` names them all; a module each kind."""
