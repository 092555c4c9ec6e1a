"""What the page about testing says, held against what the kit does: its files are written, and its tests are run."""

import re
import sys
from pathlib import Path

import pytest

from mtls_middleware import Reason, testing
from mtls_middleware.testing import MTLSTestClient

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
ALL_FILES = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
EXISTING = "tests_"
"""Folders of users' existing tests: each has a conftest of its own, and is run by itself."""
FILES = {name: code for name, code in ALL_FILES.items() if not name.startswith(EXISTING)}
ENTRY_POINT = "mtls_middleware = mtls_middleware.testing.plugin"
PLUGIN = ("-p", "no:mtls_middleware", "-p", "mtls_middleware.testing.plugin")
"""The plugin as the entry point brings it, whether the package is installed or not."""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Lay out the files of the page."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    for name, code in FILES.items():
        file = pytester.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(code, encoding="utf-8")
    return pytester


def test_every_code_is_a_file() -> None:
    assert len(ALL_FILES) == PAGE.count("```python")


def test_the_tests_of_the_page_pass(project: pytest.Pytester) -> None:
    (project.path / "conftest.py").unlink()  # another region: a test of its own
    number = sum(code.count("\ndef test_") + code.startswith("def test_") for code in FILES.values())
    reasons = len(re.findall(r'^        "\w+",$', FILES["test_refusals.py"], re.MULTILINE))

    result = project.runpytest_subprocess(*PLUGIN, "-W", "error", "-p", "no:cacheprovider", timeout=90)

    result.assert_outcomes(passed=number - 1 + reasons)


@pytest.mark.parametrize("folder", ["tests_with_certificate", "tests_without_certificate"])
def test_existing_tests_pass_as_the_page_says(folder: str, project: pytest.Pytester) -> None:
    (project.path / "conftest.py").unlink()
    as_before = ALL_FILES["tests_without_certificate/test_as_before.py"]
    if folder == "tests_with_certificate":  # the same test, with the client of a fixture
        as_before = "def test_lookup(client):" + as_before.partition("def test_lookup():")[2]
    for name, code in {
        f"{folder}/conftest.py": ALL_FILES[f"{folder}/conftest.py"],
        f"{folder}/test_it.py": as_before,
    }.items():
        (project.path / name).parent.mkdir(exist_ok=True)
        (project.path / name).write_text(code, encoding="utf-8")

    result = project.runpytest_subprocess(*PLUGIN, "-p", "no:cacheprovider", folder, timeout=90)

    result.assert_outcomes(passed=1)


def test_another_region_is_a_fixture(project: pytest.Pytester) -> None:
    (project.path / "test_region.py").write_text(
        "def test_region(data_action_client, regional_ca):\n"
        "    client = data_action_client('my_service.main:app')\n"
        "    assert client.post('/actions/lookup', json={'phone': '+1'}).status_code == 200\n"
        "    assert regional_ca.region == 'eu-west-1'\n"
        "    assert client.with_certificate(names='dataactions.prod.us-east-1.mypurecloud.com')"
        ".post('/actions/lookup').json()['reason'] == 'region_mismatch'\n",
        encoding="utf-8",
    )

    result = project.runpytest_subprocess(*PLUGIN, "-W", "error", "test_lookup.py", "test_region.py", timeout=90)

    result.assert_outcomes(passed=2)


def test_an_installed_package_brings_the_fixtures_by_itself(project: pytest.Pytester) -> None:
    installed = project.mkdir("somewhere.dist-info")
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: somewhere\nVersion: 0\n", encoding="utf-8")
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{ENTRY_POINT}\n", encoding="utf-8")

    result = project.runpytest_subprocess("-W", "error", "test_lookup.py", timeout=90)

    result.assert_outcomes(passed=1)


def test_fixtures_are_listed_with_what_they_do(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess(*PLUGIN, "--fixtures", "test_lookup.py", timeout=90)

    result.stdout.fnmatch_lines(["*regional_ca*", "*Return the regional root*"])
    result.stdout.fnmatch_lines(["*data_action_client*", "*Return what makes clients*"])


def test_every_reason_but_one_has_a_row_in_their_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| .*\|$", PAGE.partition("## Every refusal")[2], re.MULTILINE)

    assert rows == [str(reason) for reason in Reason if reason is not Reason.INTERNAL_ERROR]


def test_every_method_is_told_of() -> None:
    methods = {name for name in vars(MTLSTestClient) if not name.startswith("_")}

    assert methods == {name for name in methods if f"`{name}(" in PAGE}


@pytest.mark.parametrize("statement", ["import mtls_middleware.testing", "import mtls_middleware.testing.plugin"])
def test_nothing_is_loaded_before_it_is_asked_for(statement: str, pytester: pytest.Pytester) -> None:
    absent = [
        "mtls_middleware.testing.client",
        "starlette.testclient",
        "httpx2",
        "flask",
        "django",
        "mtls_middleware.asgi",
    ]
    code = f"{statement}; import sys; print([name for name in {absent!r} if name in sys.modules])"

    result = pytester.run(
        sys.executable, "-W", "error", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", timeout=60
    )

    assert result.outlines == ["[]"]


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match="RegionalCB"):
        testing.RegionalCB  # noqa: B018 - asking is the test


def test_the_package_of_the_kit_needs_no_pytest(pytester: pytest.Pytester) -> None:
    code = "import mtls_middleware.testing as kit, sys; kit.MTLSTestClient; print('pytest' in sys.modules)"

    result = pytester.run(
        sys.executable, "-W", "error", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", timeout=60
    )

    assert result.outlines == ["False"]
