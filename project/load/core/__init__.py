"""Pure: no clock, socket, task or file. Times come in as arguments, in microseconds or seconds as the names say."""
