"""A server whose delays, freezes and losses are known: what the engine measures against it can be checked."""
