"""The rules, pure: no clock, socket, thread, database or framework. Time comes in as an argument, in seconds."""
