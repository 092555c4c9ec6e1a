"""An application under the environment of this moment, even if it was imported, or used, under another one before."""

import sys
from importlib import import_module
from typing import Any

import pytest

from mtls_middleware.guard import Guard
from mtls_middleware.settings import Settings
from mtls_middleware.testing.frameworks import guards, layers, load, resolve, split


class Preparation:
    """Prepare applications for one test, and put everything back.

    Starlette builds its middleware at the first request, so it is let do so again. What is wrapped while its module is
    imported, as in Flask and Django, is imported again, for this test only. Factories are called.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._prepared: list[object] = []
        self._kept: set[int] = set()

    def check(self, settings: Settings) -> None:
        """Read all files once: an ASGI application keeps what is wrong with them for its lifespan, which may not come.

        Raises:
            ConfigurationError: a file cannot be used; every problem at once.
        """
        guard = Guard.silent(settings)
        guard.start()
        guard.close()

    def prepare(self, app: object, settings: Settings) -> object:
        """Return the application.

        Raises:
            ValueError: it is an object that was made under other settings.
        """
        was_imported = isinstance(app, str) and split(app)[0] in sys.modules
        found = load(app)
        self._tear_down(found)
        if was_imported and isinstance(app, str) and (_is_stale(found, settings) or _has_stale_guard(found, settings)):
            found = self._import_again(app)
        elif _is_stale(found, settings) and not isinstance(app, str):
            raise ValueError(
                f"{found!r} was wrapped under other settings than those of this test: pass its name, "
                "'my_service.main:app', or a factory; or give an application with settings of its own to MTLSTestClient"
            )
        elif found is resolve(app):
            self._kept |= set(guards(found))  # it was there before, or its module stays imported for the next test
        self._build(found)
        self._prepared.append(found)
        return found

    def close(self) -> None:
        """Stop the threads of guards that only this test had."""
        for app in self._prepared:
            for key, guard in guards(app).items():
                if guard is not None and key not in self._kept:
                    guard.close()

    def _tear_down(self, app: object) -> None:
        """Take Starlette's middleware away; after the test it has the former one back."""
        for layer in _starlettes(app):
            self._patch.setattr(layer, "middleware_stack", None)

    def _build(self, app: object) -> None:
        """Build Starlette's middleware now: at the first request the environment may be that of another application."""
        for layer in _starlettes(app):
            self._patch.setattr(layer, "middleware_stack", layer.build_middleware_stack())

    def _import_again(self, name: str) -> object:
        module, _, _ = split(name)
        parent, _, child = module.rpartition(".")
        former = sys.modules[module]
        self._patch.delitem(sys.modules, module)
        if parent:
            self._patch.setattr(import_module(parent), child, former, raising=False)
        try:
            return load(name)
        except Exception as error:
            error.add_note(
                f"{module} is imported again, for it was imported under other settings than those of this test: "
                "import it for the first time by data_action_client, or wrap the application in a factory"
            )
            raise


def _starlettes(app: object) -> list[Any]:
    return [layer for layer in layers(app) if hasattr(layer, "build_middleware_stack")]


def _is_stale(app: object, settings: Settings) -> bool:
    return any(_differs(guard, settings) for guard in guards(app).values())


def _has_stale_guard(app: object, settings: Settings) -> bool:
    """Return whether Starlette will give our middleware a guard of other settings: ``guard=`` of `add_middleware`."""
    added = [one for layer in _starlettes(app) for one in getattr(layer, "user_middleware", ())]
    given = [one.kwargs.get("guard") for one in added]
    return any(isinstance(guard, Guard) and _differs(guard, settings) for guard in given)


def _differs(guard: Guard | None, settings: Settings) -> bool:
    return guard is None or guard._settings != settings  # noqa: SLF001 - a test kit may compare what nobody else needs
