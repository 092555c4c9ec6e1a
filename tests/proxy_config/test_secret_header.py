"""``MTLS_PROXY_SECRET_HEADER``: each configuration sets the header that the application reads, and guards its name."""

import re

import pytest

from mtls_middleware import Settings
from mtls_middleware.proxy_config import TABLE, Parameters, render, settings_behind

SECRET = "a-secret-of-the-proxy"
DEFAULT = Parameters(application="backend:9000", secret=SECRET)
OTHER = Parameters(application="backend:9000", secret=SECRET, secret_header="Between-Us")
NAMES = [name for name, template in TABLE.items() if template.adds_secret]


def code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("#", "//")))


@pytest.mark.parametrize("name", NAMES)
def test_the_header_that_is_set_is_the_one_that_is_read(name: str) -> None:
    settings = Settings.from_env(dict(settings_behind(name, OTHER)))

    assert settings.proxy_secret is not None
    assert settings.proxy_secret.header == "Between-Us"
    assert re.search(
        rf"Between-Us\W.*{SECRET}|Between-Us\"?\n.*{SECRET}|Between-Us(\" = {{)?\n.*\n.*{SECRET}", render(name, OTHER)
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_is_left_for_the_default_header(name: str) -> None:
    assert not re.search(r"mtls\W{1,4}proxy", code(render(name, OTHER)), re.IGNORECASE)


@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_written_as_often_as_the_default_one(name: str) -> None:
    """What guards the default header guards another one too."""
    default = re.findall(r"x[-_\[\]]+mtls[-_\[\]]+proxy[-_\[\]]+secret", code(render(name, DEFAULT)), re.IGNORECASE)
    other = re.findall(r"between[-_\[\]]+us", code(render(name, OTHER)), re.IGNORECASE)

    assert default
    assert len(other) == len(default)
