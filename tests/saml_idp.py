"""A SAML identity provider over HTTP, made with pysaml2: `python -m tests.saml_idp PORT FOLDER`."""

import base64
import json
import sys
from datetime import UTC, datetime, timedelta
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, class_name, saml, samlp
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.server import Server
from saml2.sigver import pre_signature_part, signed_instance_factory
from saml2.xmldsig import DIGEST_SHA1, DIGEST_SHA256, SIG_RSA_SHA1, SIG_RSA_SHA256

PAGE = """<!doctype html><html lang="en"><title>Campus</title><body><form method="post" action="{action}">{fields}
<label>Who are you? <input name="subject"></label><button>Continue</button></form></body></html>"""


class Provider:
    """An identity provider that knows one hub and some people, and answers as wrongly as it is asked to."""

    def __init__(self, *, url: str, folder: Path) -> None:
        self.url, self._folder = url, folder
        self.people: dict[str, dict[str, Any]] = {}
        self._server: Server | None = None

    def configure(self) -> IdPConfig:
        hub = self._folder / "hub.xml"
        config = {
            "entityid": f"{self.url}/metadata",
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [(f"{self.url}/sso", BINDING_HTTP_REDIRECT)]},
                    "want_authn_requests_signed": False,
                }
            },
            "key_file": str(self._folder / "key.pem"),
            "cert_file": str(self._folder / "certificate.pem"),
            "xmlsec_binary": "/usr/bin/xmlsec1",
        }
        if hub.exists():
            config["metadata"] = {"local": [str(hub)]}
        return IdPConfig().load(config)

    def describe(self) -> bytes:
        return str(entity_descriptor(self.configure())).encode()

    def learn_hub(self, metadata: bytes) -> None:
        (self._folder / "hub.xml").write_bytes(metadata)
        self._server = Server(config=self.configure())

    def answer(self, query: dict[str, str]) -> tuple[str, str]:
        """Return the address to send the answer to, and the answer."""
        assert self._server is not None
        request = self._server.parse_authn_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT)
        wanted = self._server.response_args(request.message, [BINDING_HTTP_POST])
        flaw, person = query.get("flaw", ""), self.people[query["subject"]]
        name_id = saml.NameID(format=person["name_id"][0], text=person["name_id"][1])
        response = self._server.create_authn_response(
            {},
            wanted["in_response_to"],
            wanted["destination"],
            wanted["sp_entity_id"],
            name_id=name_id,
            authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": self.url},
            sign_assertion=False,
            sign_response=False,
        )
        assertion = response.assertion[0] if isinstance(response.assertion, list) else response.assertion
        assertion.attribute_statement = [
            saml.AttributeStatement(
                attribute=[
                    saml.Attribute(name=name, attribute_value=[saml.AttributeValue(text=value) for value in values])
                    for name, values in person["attributes"].items()
                ]
            )
        ]
        spoil(assertion, flaw)
        if flaw == "initiated":
            response.in_response_to = None
        if flaw == "unsigned":
            return wanted["destination"], str(response)
        old = flaw == "sha1"
        assertion.signature = pre_signature_part(
            assertion.id,
            self._server.sec.my_cert,
            sign_alg=SIG_RSA_SHA1 if old else SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA1 if old else DIGEST_SHA256,
        )
        signed = signed_instance_factory(response, self._server.sec, [(class_name(assertion), assertion.id)])
        if flaw == "encrypted":
            signed = self._encrypt(signed, wanted["sp_entity_id"])
        return wanted["destination"], str(signed)

    def _encrypt(self, signed: str, hub: str) -> str:
        assert self._server is not None
        response = samlp.response_from_string(signed)
        return str(self._server._encrypt_assertion(None, hub, response))  # noqa: SLF001 - it encrypts by flags alone


def spoil(assertion: saml.Assertion, flaw: str) -> None:
    """Say something wrong that is signed all the same."""
    now = datetime.now(UTC)
    confirmed, conditions = assertion.subject.subject_confirmation[0].subject_confirmation_data, assertion.conditions
    wrong: dict[str, list[tuple[object, str, object]]] = {
        "audience": [(conditions.audience_restriction[0].audience[0], "text", "https://another-hub.example/metadata")],
        "no audience": [(conditions, "audience_restriction", [])],
        "recipient": [(confirmed, "recipient", "https://another-hub.example/acs/")],
        "longer recipient": [(confirmed, "recipient", f"{confirmed.recipient}elsewhere")],
        "no recipient": [(confirmed, "recipient", None)],
        "expired": [
            (conditions, "not_before", write_moment(now - timedelta(minutes=30))),
            (conditions, "not_on_or_after", write_moment(now - timedelta(minutes=10))),
            (confirmed, "not_on_or_after", write_moment(now - timedelta(minutes=10))),
        ],
        "expired for the hub": [(confirmed, "not_on_or_after", write_moment(now - timedelta(minutes=1)))],
        "no end": [(confirmed, "not_on_or_after", None)],
        "early": [(conditions, "not_before", write_moment(now + timedelta(minutes=10)))],
        "clock two minutes fast": [
            (conditions, "not_before", write_moment(now + timedelta(minutes=2))),
            (assertion, "issue_instant", write_moment(now + timedelta(minutes=2))),
        ],
        "issuer": [(assertion.issuer, "text", "https://another-campus.example/metadata")],
        "unbound": [(confirmed, "in_response_to", None)],
        "initiated": [(confirmed, "in_response_to", None)],
    }
    for where, name, value in wrong.get(flaw, []):
        setattr(where, name, value)


def write_moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/hub":
            self.provider.learn_hub(body)
        else:
            self.provider.people[self.path.removeprefix("/people/")] = json.loads(body)
        self._send(b"")

    def do_GET(self) -> None:
        if self.path == "/metadata":
            self._send(self.provider.describe(), kind="application/samlmetadata+xml")
        else:
            self._send(PAGE.format(action=escape(self.path), fields="").encode(), kind="text/html")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said = parse_qs(urlsplit(self.path).query) | parse_qs(body)
        where, answer = self.provider.answer({name: values[0] for name, values in said.items()})
        brought = base64.b64encode(answer.encode()).decode()
        page = (
            f'<!doctype html><html lang="en"><title>Campus</title><body><form method="post" action="{escape(where)}">'
            f'<input type="hidden" name="SAMLResponse" value="{brought}">'
            f'<input type="hidden" name="RelayState" value="https://evil.example/">'
            f"<button>Back to the hub</button></form></body></html>"
        )
        self._send(page.encode(), kind="text/html")

    def _send(self, body: bytes, *, kind: str = "text/plain") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    Handler.provider = Provider(url=f"http://localhost:{port}", folder=folder)
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
