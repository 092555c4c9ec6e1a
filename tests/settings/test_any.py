"""Whatever stands in the environment, the answer is settings or a `ConfigurationError`."""

from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.settings import Settings
from mtls_middleware.settings.keywords import VARIABLES

SECRET = "correct-horse-battery"  # long enough, and nobody's
ONE_REGION = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": "/trust/US-East-1.zip"}
NGINX = {**ONE_REGION, "MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET": SECRET}
CUSTOM_SOURCE = {**NGINX, "MTLS_SOURCE": "custom", "MTLS_HEADER": "X-Cert", "MTLS_HEADER_ENCODING": "b64-der"}
NAMES = st.sampled_from(sorted(VARIABLES))
ANY = st.binary(max_size=60).map(lambda content: content.decode("utf-8", "surrogateescape"))
"""As `os.environ` decodes; `st.text` would first build its table of characters, for seconds."""

PIECES = st.sampled_from(
    [
        "us-east-1",
        "custom",
        "digicert",
        "genesys",
        "=",
        ",",
        "/",
        "tls",
        "nginx",
        "custom=",
        "xfcc",
        "0",
        "::",
        "\0",
        "*",
    ]
)
TEXTS = ANY | st.lists(PIECES, max_size=6).map("".join)
KEYWORDS = TEXTS | st.integers() | st.booleans() | st.floats() | st.binary() | st.none() | st.lists(TEXTS)


@given(st.dictionaries(NAMES, TEXTS), st.sampled_from([{}, ONE_REGION, CUSTOM_SOURCE]))
def test_any_environment(texts: dict[str, str], base: dict[str, str]) -> None:
    try:
        Settings.from_env({**base, **{f"MTLS_{name}": text for name, text in texts.items()}})
    except ConfigurationError as error:
        problems = error.problems
    else:
        return
    assert [problem for problem in problems if not problem.startswith("MTLS_")] == []


@given(st.dictionaries(NAMES.map(str.lower) | ANY, KEYWORDS))
def test_any_keywords(keywords: dict[str, object]) -> None:
    try:
        Settings(**keywords)  # type: ignore[arg-type]  # wrong types are the claim
    except ConfigurationError as error:
        problems = error.problems
    else:
        return
    assert problems
