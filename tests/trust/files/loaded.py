"""All files of trust, read and put together, without the network."""

from datetime import datetime

from mtls_middleware._trust.files.loading import LoadedTrust, TrustSources, build_trusts, read_files


def load_trust(sources: TrustSources, now: datetime) -> LoadedTrust:
    """Read all files, and return the trust of all authorities."""
    return build_trusts(sources, read_files(sources, now), now)
