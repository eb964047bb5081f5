"""The mock inference app behind ``mock_app.py``: a handler that pretends, and the testing guide's log lines."""
