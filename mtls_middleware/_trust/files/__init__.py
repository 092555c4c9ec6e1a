"""Anchors and pins from files of the operator."""
