"""What goes wrong with a case."""


class ConformanceError(Exception):
    """A case ends as it must not."""
