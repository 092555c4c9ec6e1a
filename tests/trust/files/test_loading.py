"""From files to trust: each bad file has its own clear error, and all errors come at once."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mtls_middleware._core.trust import AuthorityTrust, Binding
from mtls_middleware._trust.files.loading import LoadedTrust, TrustSources, fingerprint_of_files
from mtls_middleware.errors import TrustError
from mtls_middleware.identity import Authority
from tests.trust.files.loaded import load_trust

Certify = Callable[..., x509.Certificate]
Pem = Callable[..., bytes]
Sources = Callable[..., TrustSources]
Zipped = Callable[..., bytes]

US = Binding(Authority.GENESYS, "us-east-1")
IRELAND = Binding(Authority.GENESYS, "eu-west-1")
TWO_REGIONS = ("us-east-1", "eu-west-1")
DAY = timedelta(days=1)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


Write = Callable[[str, bytes], Path]


class TestForms:
    """A root is found in whatever form it was saved."""

    @pytest.mark.parametrize("name", ["root.pem", "root.zip", "root", "root.txt"])
    @pytest.mark.parametrize("form", ["pem", "pem-crlf-bom", "der", "zip", "zip-der"])
    def test_the_content_decides(
        self, form: str, name: str, *, certify: Certify, pem: Pem, der: Pem, zipped: Zipped, write: Write,
        sources: Sources, now: datetime,
    ) -> None:  # fmt: skip
        root = certify()
        content = {
            "pem": pem(root),
            "pem-crlf-bom": b"\xef\xbb\xbf" + pem(root).replace(b"\n", b"\r\n"),
            "der": der(root),
            "zip": zipped({"roots/": b"", "roots/root.pem": pem(root), "__MACOSX/._root.pem": b"\0\5"}),
            "zip-der": zipped({"root": der(root)}),
        }[form]
        loaded = load_trust(sources(write(name, content)), now)
        assert certificates(loaded) == [root]
        assert loaded.warnings == ()

    def test_a_folder_of_zips_binds_each_by_its_name(
        self, tmp_path: Path, certify: Certify, pem: Pem, zipped: Zipped, write: Write, sources: Sources, now: datetime
    ) -> None:
        us, ireland = certify("us"), certify("ireland")
        write("US-East-1.zip", zipped({"us.pem": pem(us)}))
        write("eu-west-1.pem", pem(ireland))
        assert bound(load_trust(sources(tmp_path, regions=TWO_REGIONS), now)) == {us: US, ireland: IRELAND}

    def test_a_folder_with_a_prefix_binds_everything_in_it(
        self, tmp_path: Path, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        old, new = certify("old"), certify("new")
        write("EU-West-1.pem", pem(old))
        write("new.pem", pem(new))
        assert bound(load_trust(sources(("us-east-1", tmp_path)), now)) == {old: US, new: US}

    def test_a_kubernetes_mount_counts_each_root_once(
        self, tmp_path: Path, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        root = certify()
        write("..2026/us-east-1.pem", pem(root))
        (tmp_path / "..data").symlink_to("..2026")
        (tmp_path / "us-east-1.pem").symlink_to("..data/us-east-1.pem")
        assert certificates(load_trust(sources(tmp_path), now)) == [root]

    def test_a_root_given_twice_counts_once(
        self, certify: Certify, pem: Pem, der: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        root = certify()
        loaded = load_trust(sources(write("a.pem", pem(root, root)), write("b.der", der(root))), now)
        assert certificates(loaded) == [root]
        assert loaded.warnings == ()

    def test_an_anchor_knows_its_file_and_entry(
        self, certify: Certify, pem: Pem, zipped: Zipped, write: Write, sources: Sources, now: datetime
    ) -> None:
        path = write("root.zip", zipped({"x/root.pem": pem(certify())}))
        (anchor,) = trust(load_trust(sources(path), now)).anchors
        assert anchor.origin == f"MTLS_TRUST {path}: entry 'x/root.pem'"


class TestBadFiles:
    """Each names the file and the reason."""

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            pytest.param(b"", "is empty", id="empty"),
            pytest.param(b"garbage", "neither PEM nor DER nor a zip", id="garbage"),
            pytest.param(b"<html>Sign in</html>", "web page", id="web-page"),
            pytest.param(b"PK\3\4garbage", "not a readable zip", id="broken-zip"),
            pytest.param(b"PK\5\6" + bytes(18), "empty zip", id="empty-zip"),
            pytest.param(b"-----BEGIN CERTIFICATE-----\n", "cut off", id="cut-off"),
            pytest.param(b"-----BEGIN PRIVATE KEY-----\n", "private key", id="private-key"),
            pytest.param(b"0\x82\x03\x9agarbage", "DER certificate cannot be read", id="broken-der"),
        ],
    )
    @pytest.mark.parametrize("name", ["root.pem", "root.txt"])
    def test_a_named_file_must_be_good(
        self, name: str, content: bytes, reason: str, *, write: Write, sources: Sources, now: datetime
    ) -> None:
        path = write(name, content)
        assert one_problem(sources(path), now).startswith(f"MTLS_TRUST {path}: ")
        assert reason in one_problem(sources(path), now)

    def test_a_missing_file(self, tmp_path: Path, sources: Sources, now: datetime) -> None:
        path = tmp_path / "root.pem"
        assert one_problem(sources(path), now) == f"MTLS_TRUST {path}: does not exist"

    def test_an_empty_folder(self, tmp_path: Path, sources: Sources, now: datetime) -> None:
        assert f"MTLS_TRUST {tmp_path}: is a folder without files" in problems(sources(tmp_path), now)[0]

    def test_a_partly_bad_file(self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime) -> None:
        path = write("root.pem", pem(certify()) + b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n")
        assert "root.pem: PEM block 2 is not valid base64" in one_problem(sources(path), now)

    @pytest.mark.parametrize("ca", [False, None], ids=["leaf", "without-basic-constraints"])
    @pytest.mark.parametrize("prefix", ["us-east-1", "custom", "digicert"])
    def test_what_is_not_a_ca(
        self, prefix: str, ca: bool | None, *, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:  # fmt: skip
        path = write("root.pem", pem(certify("root"), certify("caller", ca=ca)))
        authority = prefix if prefix != "us-east-1" else "genesys"
        problem = one_problem(sources((prefix, path), authorities=(authority,)), now)
        assert problem.startswith(f"MTLS_TRUST {path}: holds CN=caller, which is not a CA")

    def test_every_problem_comes_at_once(self, tmp_path: Path, write: Write, sources: Sources, now: datetime) -> None:
        entries = sources(
            tmp_path / "missing.pem",
            ("us-east-1", write("empty.pem", b"")),
            ("custom", write("key.pem", b"-----BEGIN PRIVATE KEY-----\n")),
            regions=TWO_REGIONS,
            authorities=("genesys", "custom"),
        )
        text = "\n".join(problems(entries, now))
        for part in ("missing.pem: does not exist", "empty.pem: is empty", "key.pem: PEM", "eu-west-1 has no anchor"):
            assert part in text

    def test_a_region_whose_file_is_bad_is_not_told_twice(self, write: Write, sources: Sources, now: datetime) -> None:
        assert "is empty" in one_problem(sources(("us-east-1", write("a.pem", b""))), now)

    def test_hostile_text_is_escaped(
        self, certify: Certify, pem: Pem, zipped: Zipped, write: Write, sources: Sources, now: datetime
    ) -> None:
        content = zipped({"\x1b[2J\u202e.pem": pem(certify("\x1b[31m\u202egood", ca=False))})
        told = problems(sources(write("ro\x07ot.zip", content)), now)
        assert any("which is not a CA" in problem for problem in told)
        assert [problem for problem in told if not problem.isprintable()] == []


class TestZips:
    """What is beside the certificates in a zip is passed over, what is bad among them is not."""

    def test_a_read_me_is_passed_over_with_a_warning(
        self, certify: Certify, pem: Pem, zipped: Zipped, write: Write, sources: Sources, now: datetime
    ) -> None:
        root = certify()
        content = zipped({"root.pem": pem(root), "README.txt": b"Upload it.", "guide.pdf": b"%PDF", "LICENSE": b""})
        loaded = load_trust(sources(write("root.zip", content)), now)
        assert certificates(loaded) == [root]
        assert len(loaded.warnings) == 3
        assert [warning for warning in loaded.warnings if "it is ignored" not in warning] == []

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            pytest.param("old.pem", b"", "entry 'old.pem': is empty", id="empty"),
            pytest.param("old.CER", b"garbage", "entry 'old.CER': holds no certificate", id="garbage"),
            pytest.param("us-east-1", b"garbage", "entry 'us-east-1': holds no certificate", id="region"),
            pytest.param("README", b"-----BEGIN CERTIFICATE-----\n", "entry 'README': PEM block 1", id="cut-off-pem"),
            pytest.param("old", b"0\x82garbage", "entry 'old': the DER certificate", id="broken-der"),
            pytest.param("../old.pem", b"", "leads outside", id="escape"),
        ],
    )
    def test_a_bad_entry_spoils_the_zip(
        self, name: str, content: bytes, reason: str, *, certify: Certify, pem: Pem, zipped: Zipped, write: Write,
        sources: Sources, now: datetime,
    ) -> None:  # fmt: skip
        path = write("root.zip", zipped({"root.pem": pem(certify()), name: content}))
        assert reason in one_problem(sources(path), now)

    @pytest.mark.parametrize("entries", [{"README": b"x"}, {"__MACOSX/._root.pem": b"x"}, {"roots/": b""}])
    def test_a_zip_without_certificates(
        self, entries: dict[str, bytes], zipped: Zipped, write: Write, sources: Sources, now: datetime
    ) -> None:
        assert "a zip without any certificate" in one_problem(sources(write("a.zip", zipped(entries))), now)


class TestFolders:
    """Each file of a folder is judged alone."""

    def test_a_foreign_file_is_passed_over_with_a_warning(
        self, tmp_path: Path, certify: Certify, pem: Pem, zipped: Zipped, write: Write, sources: Sources, now: datetime
    ) -> None:
        root = certify()
        write("root.pem", pem(root))
        write("README.md", b"# Roots")
        write("guide.docx", zipped({"word/document.xml": b"<xml>"}))
        loaded = load_trust(sources(tmp_path), now)
        assert certificates(loaded) == [root]
        assert [warning.endswith("it is ignored") for warning in loaded.warnings] == [True, True]

    def test_a_bad_file_is_an_error(
        self, tmp_path: Path, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        write("a.pem", pem(certify()))
        write("b.pem", b"garbage")
        assert "b.pem: holds no certificate" in one_problem(sources(tmp_path), now)

    @pytest.mark.parametrize("regions", [TWO_REGIONS, ("us-east-1",)])
    def test_a_root_of_a_region_that_is_not_configured_is_passed_over(
        self, regions: tuple[str, ...], *, tmp_path: Path, certify: Certify, pem: Pem, write: Write, sources: Sources,
        now: datetime,
    ) -> None:  # fmt: skip
        write("us-east-1.pem", pem(certify()))
        write("eu-west-1.pem", pem(certify()))
        write("APS-1.zip", b"not even read")
        loaded = load_trust(sources(tmp_path, regions=regions), now)
        assert len(certificates(loaded)) == len(regions)
        assert any("APS-1.zip is the root of ap-south-1, and" in warning for warning in loaded.warnings)

    def test_a_file_that_does_not_say_what_it_is_for_is_an_error(
        self, tmp_path: Path, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        write("us-east-1.pem", pem(certify()))
        write("eu-west-1.pem", pem(certify()))
        write("other.pem", pem(certify()))
        assert "other.pem: does not say" in one_problem(sources(tmp_path, regions=TWO_REGIONS), now)


class TestBindings:
    """An anchor vouches only for what it is bound to."""

    def test_a_named_file_of_another_region_is_an_error(
        self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        path = write("EU-West-1.pem", pem(certify()))
        assert (
            "EU-West-1.pem is the root of eu-west-1, and MTLS_REGIONS is us-east-1" in problems(sources(path), now)[0]
        )

    def test_a_prefix_wins_over_the_name(
        self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        root = certify()
        path = write("EU-West-1.pem", pem(root))
        assert bound(load_trust(sources(("us-east-1", path)), now)) == {root: US}

    def test_a_prefix_for_what_is_not_configured_is_an_error(
        self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        good, path = write("good.pem", pem(certify())), write("a.pem", pem(certify()))
        assert "is bound to custom" in one_problem(sources(good, ("custom", path)), now)

    def test_a_root_under_two_regions_is_warned_of(
        self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        path = write("a.pem", pem(certify()))
        loaded = load_trust(sources(("us-east-1", path), ("eu-west-1", path), regions=TWO_REGIONS), now)
        assert [anchor.binding for anchor in trust(loaded).anchors] == [US, IRELAND]
        assert "vouches for us-east-1 and eu-west-1 at once" in loaded.warnings[0]

    def test_each_authority_gets_its_own_anchors_and_names(
        self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        regional, other = certify("regional"), certify("other")
        names = {US: frozenset({"a.example"}), Binding(Authority.CUSTOM): frozenset({"b.example"})}
        loaded = load_trust(
            sources(
                ("us-east-1", write("a.pem", pem(regional))),
                ("custom", write("b.pem", pem(other))),
                authorities=("custom", "genesys"),
                names=names,
            ),
            now,
        )
        assert [one.authority for one in loaded.trusts] == [Authority.CUSTOM, Authority.GENESYS]
        assert [[anchor.certificate for anchor in one.anchors] for one in loaded.trusts] == [[other], [regional]]
        assert [set(one.names) for one in loaded.trusts] == [{Binding(Authority.CUSTOM)}, {US}]


class TestTime:
    """What is out of its life is left out with a warning; only a region without any valid anchor stops the start."""

    def test_an_expired_anchor_beside_a_valid_one(
        self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        path = write("a.pem", pem(certify("old", ends=now - DAY), certify("new")))
        (warning,) = load_trust(sources(path), now).warnings
        assert warning == (
            f"MTLS_TRUST {path}: CN=old for us-east-1 is left out since 2026-11-22 00:00:00Z, when it expired"
        )

    def test_an_anchor_that_is_not_valid_yet_begins_to_count_by_itself(
        self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        coming = certify("coming", begins=now + DAY)
        loaded = load_trust(sources(write("a.pem", pem(coming, certify("current")))), now)
        assert "left out until 2026-11-24 00:00:00Z" in loaded.warnings[0]
        assert coming in certificates(loaded)

    def test_a_region_without_a_valid_anchor_stops_the_start(
        self, certify: Certify, pem: Pem, write: Write, sources: Sources, now: datetime
    ) -> None:
        us = write("us-east-1.pem", pem(certify("old", ends=now - DAY), certify("coming", begins=now + DAY)))
        ireland = write("eu-west-1.pem", pem(certify()))
        problem = one_problem(sources(us, ireland, regions=TWO_REGIONS), now)
        assert problem.startswith("us-east-1 has no anchor that is valid now: ")
        assert f"CN=old (MTLS_TRUST {us}) ended at 2026-11-22 00:00:00Z" in problem
        assert f"CN=coming (MTLS_TRUST {us}) begins at 2026-11-24 00:00:00Z" in problem

    @pytest.mark.parametrize("authority", ["genesys", "custom"])
    def test_nothing_configured_trusts_nobody(self, authority: str, sources: Sources, now: datetime) -> None:
        assert "has no anchor: add" in one_problem(sources(authorities=(authority,)), now)


class TestFingerprint:
    """The view of all files changes where the trust could."""

    def test_files_and_pins_are_watched(self, tmp_path: Path, write: Write, sources: Sources) -> None:
        watched = sources(tmp_path / "a.pem", pins=("0" * 64, tmp_path / "pin.pem"))
        views = {fingerprint_of_files(watched)}
        write("a.pem", b"")
        views.add(fingerprint_of_files(watched))
        write("pin.pem", b"")
        views.add(fingerprint_of_files(watched))
        assert len(views) == 3

    def test_a_folder_that_goes_is_noticed(self, tmp_path: Path, write: Write, sources: Sources) -> None:
        write("folder/a.pem", b"")
        watched = sources(tmp_path / "folder")
        before = fingerprint_of_files(watched)
        shutil.rmtree(tmp_path / "folder")
        assert fingerprint_of_files(watched) != before


def trust(loaded: LoadedTrust) -> AuthorityTrust:
    (only,) = loaded.trusts
    return only


def certificates(loaded: LoadedTrust) -> list[x509.Certificate]:
    return [anchor.certificate for anchor in trust(loaded).anchors]


def bound(loaded: LoadedTrust) -> dict[x509.Certificate, Binding]:
    return {anchor.certificate: anchor.binding for anchor in trust(loaded).anchors}


def problems(entries: TrustSources, now: datetime) -> tuple[str, ...]:
    with pytest.raises(TrustError) as raised:
        load_trust(entries, now)
    return raised.value.problems


def one_problem(entries: TrustSources, now: datetime) -> str:
    (problem,) = problems(entries, now)
    return problem
