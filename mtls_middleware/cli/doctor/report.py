"""What the attacks showed."""

from dataclasses import dataclass

from mtls_middleware.cli.doctor.attacks import Attack, Weakness
from mtls_middleware.cli.doctor.cures import TITLES, cure
from mtls_middleware.cli.doctor.forgery import Forgery
from mtls_middleware.cli.doctor.judging import Heard, Judgement, Verdict

CLEAN = 0
FOUND = 1
UNTOLD = 2
INTERRUPTED = 130
"""As shells have it for an interrupt: 128 and the signal's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Tell what became of one request.

    Attributes:
        name: stable.
        title: what was sent, in a person's words.
        heard: what came back.
        judgement: what that means.
        attack: None for what the attacks are compared with.
        forgery: the headers in it.
    """

    name: str
    title: str
    heard: Heard
    judgement: Judgement
    attack: Attack | None = None
    forgery: Forgery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Tell what has to be mended.

    Attributes:
        weakness: what is wrong.
        forgeries: the headers concerned; of several with the same name, those that the application seems to read.
        rows: the attacks that showed it.
    """

    weakness: Weakness
    forgeries: tuple[Forgery, ...]
    rows: tuple[Row, ...]

    @property
    def verdict(self) -> Verdict:
        """Return the worst that became of an attack."""
        return max((row.judgement.verdict for row in self.rows), key=lambda verdict: verdict.gravity)

    @property
    def title(self) -> str:
        """Return what is wrong, in a sentence."""
        return TITLES[self.weakness]

    @property
    def cure(self) -> tuple[str, ...]:
        """Return what to do, by proxy where it may be one of several."""
        if len(self.forgeries) == 1:
            return cure(self.weakness, self.forgeries[0])
        cures = {cure(self.weakness, forgery): forgery.source.name for forgery in reversed(self.forgeries)}
        if len(cures) == 1:
            return next(iter(cures))
        return tuple(line for lines, name in reversed(cures.items()) for line in (f"{name}:", *lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Hold all that was seen.

    Attributes:
        sources: what the application was taken to read.
        rows: each request.
        findings: what has to be mended, the worst first.
        notes: what an operator should know besides.
        untold: why nothing, or not all, can be told; None where all was told.
        interrupted: by the operator.
    """

    sources: tuple[str, ...]
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    untold: str | None
    interrupted: bool = False

    @property
    def attacks(self) -> tuple[Row, ...]:
        """Return the rows that are attacks."""
        return tuple(row for row in self.rows if row.attack is not None)

    @property
    def unclear(self) -> tuple[Row, ...]:
        """Return the rows of which nothing is known."""
        return tuple(row for row in self.rows if row.judgement.verdict is Verdict.UNCLEAR)

    @property
    def status(self) -> int:
        """Return the exit status."""
        if self.interrupted:
            return INTERRUPTED
        if self.findings:
            return FOUND
        return UNTOLD if self.untold is not None or self.unclear else CLEAN
