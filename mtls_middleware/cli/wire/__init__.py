"""The raw HTTP client of ``call`` and ``doctor --url``."""
