"""What other people's corpora and test suites say of this package: `python -m tests.conformance`."""
