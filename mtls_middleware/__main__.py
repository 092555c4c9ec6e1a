"""``mtls-middleware``, and ``python -m mtls_middleware``."""

import sys

MISSING_EXTRA = 2
"""Exit status: the same as for a wrong command line."""

INTERRUPTED = 130
"""Exit status of shells for an interrupt: 128 and the signal's number."""


def main() -> None:
    """Run the command line, or say how to install it; from here on an interrupt ends it without a traceback."""
    try:
        _run()
    except KeyboardInterrupt:  # while modules are imported, or a command begins
        sys.exit(INTERRUPTED)


def _run() -> None:
    try:
        from mtls_middleware.cli.app import run  # noqa: PLC0415 - typer and rich may be missing
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        from mtls_middleware.installation import install_command  # noqa: PLC0415 - it takes long to import

        sys.stderr.write(f"the command line is not installed: {install_command('cli')}\n")
        sys.exit(MISSING_EXTRA)
    run()


if __name__ == "__main__":
    main()
