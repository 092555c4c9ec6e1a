"""The extra `redis`: a guard starts with an address of Redis, and serves although nobody answers there."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mtls_middleware import Guard, Settings
from mtls_middleware.testing import RegionalCA

with TemporaryDirectory() as folder:
    ca = RegionalCA("us-east-1")
    settings = Settings(
        regions="us-east-1",
        trust=ca.write(Path(folder)),
        state="redis://127.0.0.1:9,off",
        state_secret="a-secret-of-the-state",
        revocation="off",
    )
    with Guard.from_settings(settings) as guard:
        warnings = guard.status().warnings
    assert any("cannot be used" in warning for warning in warnings), warnings
