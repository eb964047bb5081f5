"""The testers suites behind ``test_websockets.py``: they talk to a site over HTTP, as anybody could."""
