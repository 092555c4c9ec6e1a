"""What all tests share: property tests that try the same examples in each run."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=100)
settings.register_profile("short", settings.get_profile("repeatable"), max_examples=10)
"""For what was tried at length elsewhere: ``--hypothesis-profile=short``."""
settings.load_profile("repeatable")
