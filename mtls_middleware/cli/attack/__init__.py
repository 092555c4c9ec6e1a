"""Attacks on the boundary of a deployment, from outside: ``doctor --url``."""
