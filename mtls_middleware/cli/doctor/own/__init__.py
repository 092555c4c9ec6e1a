"""``doctor`` without ``--url``: a deployment looked at from the inside, in the environment that it runs in."""
