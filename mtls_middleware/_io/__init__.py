"""Plain input and output that knows nothing of trust: files, the store in a folder, HTTP with a deadline, forks."""
