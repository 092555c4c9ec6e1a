"""What a keeper knows of its sources, as an operator sees it."""

from mtls_middleware._trust.keeper import Keeper
from mtls_middleware.reporting import APIStatus, ListStatus


def lists_of(keeper: Keeper | None) -> tuple[ListStatus, ...]:
    """Describe where revocation lists come from."""
    return tuple(
        ListStatus(
            origin=view.origin,
            number=view.held.number if view.held else None,
            entries=len(view.held.serial_numbers) if view.held else 0,
            this_update=view.held.this_update if view.held else None,
            next_update=view.held.next_update if view.held else None,
            last_success=view.last_success,
            error=view.error,
            is_learned=view.is_learned,
        )
        for view in (keeper.list_views if keeper is not None else ())
    )


def apis_of(keeper: Keeper | None) -> tuple[APIStatus, ...]:
    """Describe what the certificates API of each region has told."""
    return tuple(
        APIStatus(
            region=api.region,
            certificates=len(api.known.certificates),
            last_success=api.last_success,
            next_poll=api.schedule.due,
            error=api.problem,
        )
        for api in (keeper.apis if keeper is not None else ())
    )
