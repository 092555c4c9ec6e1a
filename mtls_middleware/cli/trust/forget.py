"""The command ``trust forget-crl``: the number of a CRL may go back once."""

import sys

from mtls_middleware._trust.crl.known import CRLStore
from mtls_middleware.cli.extras import WRONG
from mtls_middleware.composition import Secrets, store_of
from mtls_middleware.display import displayed
from mtls_middleware.guard import utc_now
from mtls_middleware.settings import Settings

FAILED = 1
"""Exit status: nothing is kept from there, or it could not be removed."""


def run_forget_crl(origin: str) -> int:
    """Forget what is kept of the CRL from an address or file, and return the exit status."""
    settings = Settings.from_env()
    if settings.state is None:
        sys.stderr.write("There is no state folder, so nothing is kept: restart the application's workers instead.\n")
        return WRONG
    store = store_of(settings, Secrets.read(settings, []))
    kept = CRLStore(store)
    forgotten = kept.forget_crls(origin, utc_now())
    if store.problems:
        sys.stderr.write("".join(f"{displayed(problem, 1_024)}\n" for problem in store.problems))
        return FAILED
    if not forgotten:
        known = ", ".join(map(displayed, kept.origins())) or "nothing"
        sys.stderr.write(f"No CRL is kept from {displayed(origin)}; kept is: {known}\n")
        return FAILED
    for place in forgotten:
        sys.stdout.write(f"forgotten: the CRL from {displayed(place)}\n")
    sys.stdout.write("Workers ask again within seconds, and accept a lower number if the CRL is newer.\n")
    return 0
