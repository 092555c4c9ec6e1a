"""The certificates API of each region with an OAuth client."""

from collections.abc import Iterator

from mtls_middleware._trust.genesys.client import Answer
from mtls_middleware._trust.genesys.failure import GenesysFailure
from mtls_middleware.cli.doctor.own.finding import About, Check, Finding, Topic
from mtls_middleware.cli.doctor.own.keeping import AskedAPI, Kept
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority
from mtls_middleware.settings import Settings

_ABOUT = About(Topic.API)

_TEXT_LIMIT = 1_000
"""Characters of what went wrong."""


def tell_api(settings: Settings, kept: Kept, *, offline: bool) -> Iterator[Finding]:
    """Tell what each region's API answered."""
    if not kept.polls:
        yield _without_client(settings)
    for region in kept.polls:
        if offline:
            yield _ABOUT.not_checked(Check.API_ANSWERS, f"{region}: not asked")
            continue
        try:
            answer = AskedAPI(region=region, asked=kept.asked).poll()
        except GenesysFailure as failure:
            yield _failed(region, failure)
        else:
            yield from _answered(region, answer)


def _without_client(settings: Settings) -> Finding:
    if Authority.DIGICERT in settings.authorities:
        return _ABOUT.warning(
            Check.API_ANSWERS,
            "no OAuth client: pins are replaced by hand at each yearly rotation",
            "set MTLS_GENESYS_CLIENT_ID and MTLS_GENESYS_CLIENT_SECRET: then they rotate by themselves",
        )
    return _ABOUT.ok(Check.API_ANSWERS, "no OAuth client is configured, so the API is not used")


def _failed(region: str, failure: GenesysFailure) -> Finding:
    return _ABOUT.error(
        Check.API_ANSWERS, displayed(f"{region}: {failure.reason}: {failure.text}", _TEXT_LIMIT), failure.next_step
    )


def _answered(region: str, answer: Answer) -> Iterator[Finding]:
    if answer.failure is not None:
        yield _failed(region, answer.failure)
    listed = ", ".join(
        f"{one.authority} {one.status} until {one.leaf.not_valid_after_utc:%Y-%m-%d}" for one in answer.certificates
    )
    yield _ABOUT.ok(Check.API_ANSWERS, displayed(f"{region}: {listed or 'lists no certificate'}", _TEXT_LIMIT))
    for warning in answer.warnings:
        yield _ABOUT.warning(
            Check.API_UNDERSTOOD,
            displayed(f"{region}: {warning}", _TEXT_LIMIT),
            "if a newer version of mtls-middleware does not understand it either, report it",
        )
