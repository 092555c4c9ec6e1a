"""Request targets that some router takes for another path."""

from hypothesis import strategies as st

from tests.routers.frameworks import ROUTES
from tests.routers.site import MOUNT

PATHS = tuple(path.replace("<id>", "7") for path in ROUTES.values())

PIECES = (
    *(f"%{byte:02x}" for byte in (*range(0x21), 0x7F, 0x80, 0x85, 0xA0, 0xAD, 0xFE, 0xFF)),
    *("/", "//", "///", "%2f", "%2F", "%252f", "\\", "%5c", "%255c", "%25", "%", "%zz", "?", "%3f", "#", "%23", "+"),
    *(".", "..", "/.", "/..", "/../", "/./", "%2e", "%2e%2e", "%252e", ".json", "/%2e%2e/", "..;", "/.;/"),
    *(";", ";a", ";a=b/", "%3b", "/;/", ";/../", "!", "~", "@", ":", ",", "(", ")", "*", "&", "=", "$", "'", "|"),
    *("%c0%af", "%e0%80%af", "%ed%a0%80", "%ef%bf%bd", "%c2%85", "%c2%a0", "%c2%ad", "%e2%80%8b", "%e2%80%ae"),
    *("%e2%80%a8", "%ef%bb%bf", "%ef%bc%8f", "%ef%bc%8e", "%e2%80%a4", "%e2%80%a5", "%e2%80%a6", "%ef%b8%8f"),
    *("%cc%88", "%c4%b1", "%c4%b0", "%c5%bf", "%e2%84%aa", "%c3%9f", "%ef%bc%85", "%ef%bc%9b", "%e2%84%80"),
    *("http://h", "//h", "x:", MOUNT, *PATHS),
)


@st.composite
def targets(draw: st.DrawFn) -> bytes:
    """Take a path that somebody serves, and spoil it a little."""
    text = draw(st.sampled_from(("", "", MOUNT))) + draw(st.sampled_from(PATHS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.sampled_from((0, len(text), draw(st.integers(0, len(text))))))
        match draw(st.sampled_from(("insert", "insert", "replace", "case", "encode", "wide", "drop"))):
            case "insert":
                text = text[:at] + draw(st.sampled_from(PIECES)) + text[at:]
            case "replace":
                text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + 1 :]
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
