"""``call``: one call as the data actions service makes it, and all that can be seen of it from outside."""
