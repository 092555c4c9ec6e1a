"""Why tests of other projects no longer pass with our middleware around what they call."""

from collections.abc import Mapping
from types import MappingProxyType

NOT_STORED = "compare all headers of a response: an accepted one that has no `Cache-Control` gets `no-store`"

LOST: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "werkzeug": {
            r"^tests\.test_test::test_(lazy_start_response_empty_response_app|run_wsgi_apps)\[": NOT_STORED,
            r"^tests\.test_test::test_(no_content_type_header_addition|run_wsgi_app_closing_iterator)$": NOT_STORED,
        },
        "django": {
            r"^asgi\.tests\.ASGITest\.test_((static_)?file_response|get_asgi_application|headers)$": NOT_STORED,
            r"^wsgi\.tests\.WSGITest\.test_get_wsgi_application$": NOT_STORED,
            r"^middleware\.tests\.ConditionalGetMiddlewareTest\.test_(middleware_calculates_etag|no_unsafe)$": (
                "hand what a client received to Django's middleware, which makes no `ETag` of what has `no-store`; "
                "inside of ours it makes one"
            ),
            r"^asgi\.tests\.ASGITest\.test_wrong_connection_type$": (
                "asks for Django's `ValueError` on an unknown kind of scope: ours is a `RuntimeError`"
            ),
        },
        "uvicorn": {
            r"test_value_returned\[": (
                "an application that returns a value, against ASGI: the middleware returns none, so uvicorn has "
                "nothing to complain of"
            ),
        },
    }
)
"""By project and by what the test's name has in it."""
