"""Another organisation's sign-in by SAML, as a process of its own: `tests.saml_idp` on a free port."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.polling import wait_until

STARTS_WITHIN_S = 60
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


@dataclass(frozen=True)
class SamlCampus:
    """A running identity provider."""

    url: str

    @property
    def entity_id(self) -> str:
        return f"{self.url}/metadata"

    def learn_hub(self, metadata: bytes) -> None:
        httpx.put(f"{self.url}/hub", content=metadata, timeout=STARTS_WITHIN_S).raise_for_status()

    def set_person(
        self, subject: str, attributes: Mapping[str, list[str]], *, name_id: tuple[str, str] = (TRANSIENT, "_t")
    ) -> None:
        """Say what it tells of somebody."""
        person = {"name_id": name_id, "attributes": dict(attributes)}
        httpx.put(f"{self.url}/people/{subject}", json=person).raise_for_status()

    def answer(self, leaving: str, subject: str, *, flaw: str = "") -> tuple[str, dict[str, str]]:
        """Sign in there as `subject`; return path and fields of the form that leads back."""
        assert leaving.startswith(f"{self.url}/sso?"), leaving
        page = httpx.post(leaving, data={"subject": subject, "flaw": flaw}, timeout=STARTS_WITHIN_S)
        page.raise_for_status()
        form = _Form()
        form.feed(page.text)
        return urlsplit(form.action).path, form.fields


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action, self.fields = "", dict[str, str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given["action"]
        elif tag == "input":
            self.fields[given["name"]] = given["value"]


def write_key(folder: Path, *, name: str = "hub.example") -> tuple[Path, Path]:
    """Make a key and a certificate for it; return the files."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    key_file, certificate_file = folder / "key.pem", folder / "certificate.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key_file, certificate_file


@contextmanager
def running_saml_provider(folder: Path) -> Iterator[SamlCampus]:
    """Run a provider until the end of the block, its files in `folder`."""
    if shutil.which("xmlsec1") is None:
        pytest.skip("xmlsec1 is not installed, with which pysaml2 signs: apt-get install xmlsec1")
    write_key(folder, name="campus.example")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    campus = SamlCampus(url=f"http://localhost:{port}")  # for browsers another site than the hub
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.saml_idp", str(port), str(folder)], stdout=log, stderr=log
        )
        try:
            wait_until(lambda: _answers(campus), within_s=STARTS_WITHIN_S)
            yield campus
        finally:
            process.kill()
            process.wait()


def _answers(campus: SamlCampus) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(campus.entity_id).status_code == httpx.codes.OK
    return False
