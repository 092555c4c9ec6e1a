"""CRLs: where they come from, what is in them, and which are held."""
