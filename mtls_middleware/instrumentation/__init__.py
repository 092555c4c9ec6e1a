"""Hooks: one file for each way of telling others what happened."""
