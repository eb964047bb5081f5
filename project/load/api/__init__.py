"""The Python API: clients, pool, generators, lifecycles, scenarios, metrics. ``project.load`` offers all names."""
