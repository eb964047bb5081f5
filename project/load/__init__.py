"""The load engine: from Python by the names below, from a shell as ``python -m project.load SCENARIO --url TARGET``.

How it is built, from the inside out:

    core/         pure: profiles and arrivals, histograms, accounting of messages, series, thresholds, validity,
                  comparison, capacity search. Times are arguments. ``core.record.RunRecord`` is the one shape that
                  every face reads: reports, comparison, merging, the console, Prometheus.
    targets/      what can be driven: ``websocket``, ``socketio``, ``relay``, ``http`` (and services from TOML). One
                  ``Target`` opens ``Session``s; a session's ``call`` sends one message and returns its ``Answer``.
    engine/       runs a plan against a target: precise timers, open and closed drivers, own cost, progress, stop.
    scenarios/    one table: name, flags with defaults, how a plan is made of them.
    api/          the Python API: clients, pool, generators, lifecycles, scenarios, metrics.
    calibration/  a server whose delays, freezes and losses are known, to test the engine itself.
    output/       run.json (the record), metrics.json, results.csv, progress; other reports beside them.
    cli/          the command line.

It imports nothing of the site but ``project.wire`` and ``project.errors``, so it runs on a machine without Flask, and
beside a site of any async mode: it is a process of its own.
"""
