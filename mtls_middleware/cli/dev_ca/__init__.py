"""``dev-ca``: a folder with all that a service needs to be tried without Genesys."""
