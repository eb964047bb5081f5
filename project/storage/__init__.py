"""Where everything is kept: the ``Store`` port and its adapters, SQL and memory."""
