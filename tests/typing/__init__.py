"""A project of a user's; see `tests/test_typing.py`."""
