"""What tests of several modules of this folder share."""

import pytest

from mtls_middleware._io import redis_client, redis_connections, redis_state, redis_store
from mtls_middleware._io.redis_client import EngineClient

PATIENCE_SECONDS = 30.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an engine more time than a call has: a busy machine may need that second for itself."""
    for module in (redis_client, redis_connections, redis_state, redis_store):
        monkeypatch.setattr(module, "CALL_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(EngineClient.call, "__kwdefaults__", {"seconds": PATIENCE_SECONDS})
