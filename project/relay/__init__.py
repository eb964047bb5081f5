"""The use cases: submit, dispatch, finish, cancel, expire, and what pages ask."""
