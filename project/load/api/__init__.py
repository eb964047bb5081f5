"""The Python API: clients, pool, lifecycles, scenarios, metrics. ``project.load`` offers all names."""
