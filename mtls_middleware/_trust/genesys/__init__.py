"""Pins from the certificates API of Genesys Cloud."""
