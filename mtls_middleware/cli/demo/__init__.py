"""``demo``: a regional CA, a protected app on real ports, calls good and bad, and a table of their results."""
