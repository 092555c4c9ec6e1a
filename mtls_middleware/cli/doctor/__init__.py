"""``doctor``: what is wrong, and what to do about it; with ``--url``, a deployed boundary attacked from outside."""
