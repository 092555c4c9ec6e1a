"""A certificate that is refused in the handshake: the caller sees which alert it was, and the log whose it was."""

import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from mtls_middleware.testing import ClientCertificate
from tests.e2e.asgi_servers import SERVERS
from tests.e2e.callers import PKI, connect
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, Server, free_port
from tests.e2e.test_serve import command, environment
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

SECONDS = 60.0
"""For which a client may run; Java starts slowly beside other tests."""

PASSWORD = "a password"

NODE = """
const fs = require("fs"), [port, version, cert, key] = process.argv.slice(1);
const request = require("https").request({host: "127.0.0.1", port, method: "POST", rejectUnauthorized: false,
  minVersion: version, maxVersion: version, cert: fs.readFileSync(cert), key: fs.readFileSync(key)});
request.on("error", error => console.log(error.message, error.code));
request.end("{}");
"""

JAVA = """
import java.io.*; import java.security.*; import javax.net.ssl.*; import java.security.cert.X509Certificate;
public class Caller {
  public static void main(String[] told) throws Exception {
    char[] password = told[3].toCharArray();
    KeyStore store = KeyStore.getInstance("PKCS12"); store.load(new FileInputStream(told[2]), password);
    KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509"); keys.init(store, password);
    TrustManager any = new X509TrustManager() {
      public void checkClientTrusted(X509Certificate[] chain, String type) {}
      public void checkServerTrusted(X509Certificate[] chain, String type) {}
      public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    };
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), new TrustManager[]{any}, null);
    SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", Integer.parseInt(told[0]));
    socket.setEnabledProtocols(new String[]{told[1]});
    try {
      socket.getOutputStream().write("POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 2\\r\\n\\r\\n{}".getBytes());
      System.out.println("answered " + socket.getInputStream().read());
    } catch (SSLException error) { System.out.println(error.getMessage()); }
  }
}
"""


def run(argv: Sequence[str | Path]) -> str:
    """Return all that a client says; one that reads from a terminal gets an end of file after its request."""
    done = subprocess.run(
        argv, input="GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=SECONDS, check=False, text=True
    )
    return done.stdout + done.stderr


def by_python(port: int, version: str, client: ClientCertificate, pki: PKI) -> str:
    try:
        with connect(
            port, pki.caller(client, version=getattr(ssl.TLSVersion, version.replace(".", "_")))
        ) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
            connection.sendall(b"{}")
            return repr(connection.recv(1000))
    except ssl.SSLError as error:
        return str(error)


def by_openssl(port: int, version: str, client: ClientCertificate, pki: PKI) -> str:
    flag = f"-tls{version.removeprefix('TLSv').replace('.', '_')}"
    files = client.write(pki.folder, client.fingerprint_sha256)
    return run(
        ["openssl", "s_client", "-ign_eof", "-connect", f"{HOST}:{port}", flag, "-cert", files[0], "-key", files[1]]
    )


def by_curl(port: int, version: str, client: ClientCertificate, pki: PKI) -> str:
    certificate, key = client.write(pki.folder, client.fingerprint_sha256)
    number = version.removeprefix("TLSv")
    only = (f"--tlsv{number}", "--tls-max", number)
    return run(["curl", "-ksS", *only, "--cert", certificate, "--key", key, "-d", "{}", f"https://{HOST}:{port}/"])


def by_node(port: int, version: str, client: ClientCertificate, pki: PKI) -> str:
    return run(["node", "-e", NODE, str(port), version, *client.write(pki.folder, client.fingerprint_sha256)])


def by_java(port: int, version: str, client: ClientCertificate, pki: PKI) -> str:
    encryption = BestAvailableEncryption(PASSWORD.encode())
    store = pki.folder / f"{client.fingerprint_sha256}.p12"
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(b"a", client.private_key, client.certificate, None, encryption)
    )
    source = pki.folder / "Caller.java"
    source.write_text(JAVA, encoding="ascii")
    return run(["java", source, str(port), version, store, PASSWORD])


CLIENTS: dict[str, Callable[[int, str, ClientCertificate, PKI], str]] = {
    "python": by_python,
    "openssl": by_openssl,
    "curl": by_curl,
    "node": by_node,
    "java": by_java,
}

OURS = {
    "serve": ("--loop", "uvloop"),
    "serve on asyncio": ("--loop", "asyncio", "--http", "h11"),
    "uvicorn": ("--loop", "uvloop"),
    "uvicorn on asyncio": ("--loop", "asyncio"),
}

ADAPTED = [name for name in SERVERS if name.startswith(("hypercorn", "gunicorn, ASGIWorker"))]

VERSIONS = ("TLSv1.2", "TLSv1.3")


@pytest.fixture
def server(request: pytest.FixtureRequest, start: Start, pki: PKI) -> tuple[Server, int]:
    port = free_port()
    if request.param in ADAPTED:
        argv = SERVERS[request.param].secure("protected:asgi", port, pki)
        return start(argv, env=environment(pki.trust), port=port), port
    argv = [*command(pki, port, *OURS[request.param])]
    if request.param.startswith("uvicorn"):
        argv = [sys.executable, "-m", "uvicorn", "protected:asgi", "--port", str(port), *OURS[request.param]]
        argv += ["--http", "mtls_middleware.servers.uvicorn:HttpToolsProtocol", "--ssl-cert-reqs", "1"]
        argv += ["--ssl-certfile", pki.certificate, "--ssl-keyfile", pki.key, "--ssl-ca-certs", pki.trust]
    return start(argv, env=environment(pki.trust), port=port), port


@pytest.mark.parametrize("version", VERSIONS)
@mostly_slow("server", [*OURS, *ADAPTED], kept=["serve"], indirect=True)
def test_both_sides_know_why_a_stranger_is_refused(version: str, server: tuple[Server, int], pki: PKI) -> None:
    running, port = server
    client = pki.stranger.client()

    seen = {
        name: by(port, version, client, pki) for name, by in CLIENTS.items() if name == "python" or shutil.which(name)
    }

    missing = {name: words for name, words in seen.items() if not re.search("unknown[ _]ca", words.lower())}
    assert missing == {}
    lines = [line for line in running.log.splitlines() if "refused in the TLS handshake" in line]
    assert len(lines) == len(seen)
    told = [
        f"reason=issuer_untrusted .* fingerprint={client.fingerprint_sha256} .*{pki.stranger.cert_name}",
        r"127\.0\.0\.1:\d+",
    ]
    assert [line for line in lines for part in told if not re.search(part, line)] == []


@mostly_slow("server", ["serve", "uvicorn on asyncio", *ADAPTED], kept=["serve"], indirect=True)
def test_each_way_of_being_refused_has_its_alert(server: tuple[Server, int], pki: PKI) -> None:
    running, port = server
    expired = by_python(port, VERSIONS[1], pki.region.client(expired=True), pki)
    server_only = by_python(port, VERSIONS[1], pki.region.client(server_only=True), pki)

    assert "certificate expired" in expired.lower().replace("_", " ")
    assert "unsupported certificate" in server_only.lower().replace("_", " ")
    assert "reason=certificate_expired" in running.log
    assert "reason=purpose_mismatch" in running.log
