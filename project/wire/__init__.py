"""The worker protocol: event names, messages and limits. Standard library only; shared by site, SDK and load engine."""
