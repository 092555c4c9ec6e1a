"""Adapters for servers that keep the client certificate and the real peer to themselves: one file for each server."""
