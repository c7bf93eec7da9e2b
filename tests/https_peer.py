"""A real HTTPS server of somebody else on 127.0.0.1, with a certificate that its own authority signed."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "hooks.example.org"


@dataclass(slots=True)
class Peer:
    """What the server was sent, and how it answers: `answer` writes to the handler."""

    port: int
    authority: Path
    answer: Callable[[BaseHTTPRequestHandler], None]
    received: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the address to register."""
        return f"https://{NAME}:{self.port}/hook"


def answer_with(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what answers with a status and nothing more."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


@contextmanager
def running_peer(folder: Path, *, name: str = NAME) -> Iterator[Peer]:
    """Serve until the end; the certificate is for `name`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            peer.received.append((dict(self.headers.items()), body))
            peer.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            pass

    authority = write_certificates(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "peer.pem")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        peer = Peer(port=server.server_address[1], authority=authority, answer=answer_with(204))
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield peer
        finally:
            server.shutdown()
            thread.join()


def write_certificates(folder: Path, name: str) -> Path:
    """Write the server's key with its certificate, and return the file of the authority that signed it."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority for tests")])
    now = datetime.now(UTC)

    def begin(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    own = begin(issuer, authority_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)  # noqa: FBT003 - as the library has it
    signed = begin(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key()).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = signed.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "peer.pem").write_bytes(private + certificate)
    path = folder / "authority.pem"
    path.write_bytes(own.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path
