"""Fuzzing of every parser of bytes from outside: `python -m tests.fuzz`; see tests/README.md."""
