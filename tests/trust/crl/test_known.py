"""What of revocation outlives a process heals by itself."""

from mtls_middleware._io.store import Kind
from mtls_middleware._trust.crl.known import CHAIN_BYTES, CRLStore
from mtls_middleware.testing import RegionalCA
from tests.core.certs import NOW, genesys
from tests.trust.crl.doubles import A, Bench, Host

CA = RegionalCA(now=NOW)
CLIENT = CA.client(crl_url=A)


def test_lesson_a_certificate_that_is_gone_from_the_state_is_put_there_anew() -> None:
    bench = Bench(genesys(CA), host=Host({A: CA.crl()}))
    bench.learn(CLIENT)
    bench.refresh()
    bench.memory.kept = {place: entry for place, entry in bench.memory.kept.items() if place[0] is not Kind.CERTIFICATE}
    bench.later(hours=1)
    bench.refresh()

    assert [entry.key for entry in bench.memory.entries(Kind.CERTIFICATE)] == [CLIENT.fingerprint_sha256]


def test_one_that_is_there_is_put_once() -> None:
    bench = Bench(genesys(CA), host=Host({A: CA.crl()}))
    bench.learn(CLIENT)
    bench.refresh()
    before = list(bench.memory.entries(Kind.CERTIFICATE))
    bench.later(hours=1)
    bench.refresh()

    assert list(bench.memory.entries(Kind.CERTIFICATE)) == before


def test_a_chain_that_is_too_long_is_neither_kept_nor_read() -> None:
    bench = Bench(genesys(CA))
    large = CA.client(names=[f"host-{number}.example" for number in range(CHAIN_BYTES // 20)])
    CRLStore(bench.memory).keep_chain([large.certificate, CA.certificate], NOW)
    assert list(bench.memory.entries(Kind.CERTIFICATE)) == []

    bench.memory.put(Kind.CERTIFICATE, "x", b"\n" * CHAIN_BYTES + CLIENT.pem.encode(), NOW)
    assert list(CRLStore(bench.memory).chains()) == []
    bench.memory.put(Kind.CERTIFICATE, "x", CLIENT.pem.encode(), NOW)
    assert len(list(CRLStore(bench.memory).chains())) == 1
