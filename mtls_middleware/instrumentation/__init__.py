"""Hooks: one file for each way of telling others what happened."""

import logging

LOGGER = logging.getLogger("mtls_middleware")
"""The one logger of the package."""
