"""The command ``trust``: what callers are judged by, to be seen, refreshed, and handed to proxies."""
