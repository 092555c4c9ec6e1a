"""Request targets that some router takes for another path."""

from hypothesis import strategies as st

from tests.routers.frameworks import ROUTES
from tests.routers.site import MOUNT

PATHS = tuple(path.replace("<id>", "7") for path in ROUTES.values())

PIECES = (
    tuple(f"%{byte:02x}" for byte in (0, 9, 10, 11, 12, 13, 0x1C, 0x1F, 0x20, 0x7F)),
    ("%0a", "%0A", "%0d%0a"),
    ("%80", "%85", "%a0", "%ad", "%fe", "%ff", "%c0%af", "%e0%80%af", "%ed%a0%80", "%ef%bf%bd"),
    ("/", "//", "///", "%2f", "%2F", "%252f", "\\", "%5c", "%255c"),
    (".", "..", "/.", "/..", "/../", "/./", "%2e", "%2e%2e", "%252e", ".json", "/%2e%2e/", "/..;/", "/.;/"),
    (";", ";a", ";a=b/", "%3b", "/;/", ";/../", "?", "%3f", "#", "%23", "%25", "%", "%zz", "+"),
    ("!", "~", "@", ":", ",", "(", ")", "*", "&", "=", "$", "'", "|", "^", "-", "_", "@@", ":id"),
    ("%c2%85", "%c2%a0", "%c2%ad", "%e2%80%8b", "%e2%80%ae", "%e2%80%a8", "%ef%bb%bf", "%ef%b8%8f", "%cc%88"),
    ("%ef%bc%8f", "%ef%bc%8e", "%e2%80%a4", "%e2%80%a5", "%e2%80%a6", "%ef%bc%85", "%ef%bc%9b", "%e2%84%80"),
    ("%c4%b1", "%c4%b0", "%c5%bf", "%e2%84%aa", "%c3%9f"),
    ("http://h", "//h", "x:", MOUNT, *PATHS),
)
"""By kind, so that each kind is tried."""


@st.composite
def targets(draw: st.DrawFn) -> bytes:
    """Take a path that somebody serves, and spoil it a little."""
    text = draw(st.sampled_from(("", "", "", MOUNT))) + draw(st.sampled_from(PATHS))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        at = draw(st.sampled_from((0, len(text), len(text), draw(st.integers(0, len(text))))))
        match draw(st.sampled_from(("insert", "insert", "insert", "replace", "case", "encode", "wide", "drop"))):
            case "insert":
                text = text[:at] + draw(st.sampled_from(draw(st.sampled_from(PIECES)))) + text[at:]
            case "replace":
                text = text[:at] + draw(st.sampled_from(draw(st.sampled_from(PIECES)))) + text[at + 1 :]
            case "case":
                text = text[:at] + text[at:].swapcase()
            case "encode":
                text = text[:at] + "".join(f"%{ord(letter):02x}" for letter in text[at : at + 1]) + text[at + 1 :]
            case "wide":  # full-width forms, which NFKC makes ASCII
                text = text[:at] + "".join(_wide(letter) for letter in text[at : at + 1]) + text[at + 1 :]
            case _:
                text = text[:at] + text[at + 1 :]
    return text.encode("ascii")


def _wide(letter: str) -> str:
    return "".join(f"%{byte:02x}" for byte in chr(ord(letter) - 0x21 + 0xFF01).encode())
