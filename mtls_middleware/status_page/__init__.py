"""The status page: trust at a glance, what ends when, refusals by reason, and what to do next.

It is off unless somebody mounts it, or runs ``mtls-middleware status --listen``. It needs the extra ``status``.
"""

from mtls_middleware.status_page.application import StatusPage

__all__ = ["StatusPage"]
