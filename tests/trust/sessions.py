"""Sessions in memory, instead of the network."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mtls_middleware._io.http import BODY_BYTES, FailureKind, HTTPFailure, OpenSession, Resolve, Response, Session
from mtls_middleware._trust.genesys.client import CertificatesAPI
from mtls_middleware.testing import GenesysAPI

Answer = Callable[[str, str, Mapping[str, str], bytes], Response]
"""Answer a request: method, address, headers, content; or raise `HTTPFailure`."""


@dataclass(frozen=True, slots=True)
class MemorySession:
    """Answer each request by a function."""

    answer: Answer

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        body_bytes: int = BODY_BYTES,
    ) -> Response:
        answer = self.answer(method, url, headers or {}, content)
        if len(answer.body) > body_bytes:
            raise HTTPFailure(FailureKind.TOO_LARGE, f"the answer is larger than {body_bytes:,} bytes")
        return answer


def sessions(answer: Answer) -> OpenSession:
    """Return what opens sessions in which a function answers."""

    @contextmanager
    def open_session(*, seconds: float = 0.0, resolve: Resolve | None = None) -> Iterator[Session]:  # noqa: ARG001
        yield MemorySession(answer)

    return open_session


def answer_of(api: GenesysAPI) -> Answer:
    """Return how a certificates API answers, whatever the host is."""

    def answer(method: str, url: str, headers: Mapping[str, str], content: bytes) -> Response:
        found = api.answer(method, url, headers, content)
        return Response(status=found.status, headers=found.headers, body=found.body)

    return answer


def api_client(server: GenesysAPI) -> Callable[..., CertificatesAPI]:
    """Return what makes clients of the certificates API that ask a server in memory."""

    def make(*args: Any, **more: Any) -> CertificatesAPI:
        return CertificatesAPI(*args, **{**more, "open_session": sessions(answer_of(server))})

    return make
