"""Mutation testing of `mtls_middleware._core`: `python -m tests.mutants`; see tests/README.md."""
