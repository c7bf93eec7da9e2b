"""SAML 2.0 between the hub and another organisation's sign-in: its metadata, the request, the checks of the answer.

python3-saml knows XML, signatures and most of the checks. Where it is lenient with what an answer leaves out, this is
strict: who it is for, where it may go and which request it answers have to stand in what is signed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from django.conf import settings
from django.core.cache import cache
from django.urls import reverse
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Saml
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.utils import OneLogin_Saml2_Utils
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from lilong.common.errors import LilongError, NotAllowed

NAME_ID = "NameID"
SUBJECT_LENGTH_MAX = 191
METADATA_BYTES_MAX = 2 * 1024 * 1024
METADATA_TIMEOUT_S = 5
METADATA_FRESH_S = 3600
METADATA_KEPT_S = 24 * 3600
BEARER_DATA = f"/saml:Subject/saml:SubjectConfirmation[@Method='{Saml.CM_BEARER}']/saml:SubjectConfirmationData"
URI_NAMES = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
PEM_ARMOUR = re.compile(r"-----[^-]+-----|\s+")

log = structlog.get_logger("lilong.members")


class SamlRefused(NotAllowed):
    """What came back from another organisation's sign-in proves nothing."""

    code = "members.saml_refused"
    title = "The answer of the other sign-in was not accepted"
    next_step = (
        "Begin again at the sign-in page of the hub. If that does not help, tell an operator: the reason stands in the "
        "hub's log."
    )


class SamlUnavailable(LilongError):
    """The metadata of another organisation's sign-in cannot be had, or it lacks what is needed."""

    code = "members.saml_unavailable"
    title = "The other sign-in cannot be used now"
    status = 503
    next_step = "Try again in a few minutes, or tell an operator: the reason stands in the hub's log."
    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a checked answer says of a person. It answers as allauth's provider asks python3-saml's own object."""

    subject: str
    email: str
    name: str

    def get_attributes(self) -> dict[str, object]:
        """Return the claims in the form that OpenID Connect's have; directories vouch for the addresses in them."""
        return {"userinfo": {"email": self.email, "email_verified": True, "name": self.name}}

    def get_nameid(self) -> str:
        """Return the person's lasting id there."""
        return self.subject

    def get_nameid_format(self) -> str:
        """Return nothing: an address in a NameID is no claim."""
        return ""


class Peer:
    """Another organisation's sign-in, and what the hub is to it. said: its settings, `SamlProvider` by name."""

    def __init__(self, *, provider_id: str, said: Mapping[str, Any]) -> None:
        self._id, self._said = provider_id, said
        self._acs_url = _public("saml_acs", provider_id)

    def begin(self) -> tuple[str, str]:
        """Return the address to send a browser to, and the id of the request in it; raises SamlUnavailable."""
        auth = OneLogin_Saml2_Auth(self._describe_request(), old_settings=self._trust())
        url = auth.login(return_to="")
        return str(url), str(auth.get_last_request_id())

    def find_origin(self) -> str:
        """Return scheme and host of where people sign in there; raises SamlUnavailable."""
        parts = urlsplit(self._read_metadata()["singleSignOnService"]["url"])
        return f"{parts.scheme}://{parts.netloc}"

    def write_metadata(self) -> str:
        """Return the hub's own metadata, for whoever runs the other sign-in."""
        # Only who wants answers encrypted tells its key; plain ones are taken all the same.
        security = self._describe_security() | {"wantAssertionsEncrypted": self._said["key_file"] is not None}
        own = {"strict": True, "security": security, "sp": self._describe_hub()}
        written = OneLogin_Saml2_Settings(settings=own, sp_validation_only=True).get_sp_metadata()
        return written.decode() if isinstance(written, bytes) else str(written)

    def open(self, text: str) -> "Answer":
        """Return an answer that is checked in nothing yet; raises SamlRefused and SamlUnavailable."""
        trust = self._trust()
        try:
            return Answer(
                OneLogin_Saml2_Response(trust, text), said=self._said, acs_url=self._acs_url, peer_id=self._id
            )
        except Exception as error:  # a stranger's bytes: base64, XML and xmlsec each raise their own
            raise refuse(self._id, error) from error

    def _trust(self) -> OneLogin_Saml2_Settings:
        described = {
            "strict": True,
            "security": self._describe_security(),
            "sp": self._describe_hub(),
            "idp": self._read_metadata(),
        }
        return OneLogin_Saml2_Settings(settings=described)

    def _describe_request(self) -> dict[str, object]:
        """Return the address of the hub as it is published, whatever Host a request named."""
        return describe_address(self._acs_url)

    def _describe_security(self) -> dict[str, object]:
        return {
            "authnRequestsSigned": self._said["key_file"] is not None,
            "wantAssertionsSigned": True,
            "wantNameId": False,
            "wantAttributeStatement": False,
            "requestedAuthnContext": False,
            "allowSingleLabelDomains": True,
            "allowRepeatAttributeName": True,
            "rejectDeprecatedAlgorithm": True,
            "signatureAlgorithm": Saml.RSA_SHA256,
            "digestAlgorithm": Saml.SHA256,
            "metadataValidUntil": "",
            "metadataCacheDuration": "",
        }

    def _describe_hub(self) -> dict[str, object]:
        said = self._said
        wanted = [
            {"name": name, "isRequired": False, "nameFormat": URI_NAMES}
            for name in (*said["subject_attributes"], *said["email_attributes"], *said["name_attributes"])
            if name != NAME_ID
        ]
        hub: dict[str, object] = {
            "entityId": _public("saml_metadata", self._id),
            "assertionConsumerService": {"url": self._acs_url, "binding": Saml.BINDING_HTTP_POST},
            "attributeConsumingService": {"serviceName": "Lilong", "requestedAttributes": wanted},
            "NameIDFormat": Saml.NAMEID_UNSPECIFIED
            if NAME_ID in said["subject_attributes"]
            else Saml.NAMEID_PERSISTENT,
        }
        if said["key_file"] is not None:
            hub["privateKey"] = PEM_ARMOUR.sub("", Path(said["key_file"]).read_text(encoding="ascii"))
            hub["x509cert"] = PEM_ARMOUR.sub("", Path(said["certificate_file"]).read_text(encoding="ascii"))
        return hub

    def _read_metadata(self) -> dict[str, Any]:
        try:
            file = self._said["metadata_file"]
            content = Path(file).read_bytes() if file is not None else self._fetch_metadata()
            return _parse_metadata(content, entity_id=self._said["entity_id"])
        except Exception as error:  # whatever it is, only the operator can help
            log.exception("saml_metadata_unusable", provider=self._id)
            raise SamlUnavailable from error

    def _fetch_metadata(self) -> bytes:
        """Return it from its address, asked once an hour; while nothing comes, what came within a day is good."""
        url = self._said["metadata_url"]
        kept, fresh = f"saml.metadata.{self._id}", f"saml.metadata.fresh.{self._id}"
        known = cache.get_many([kept, fresh])
        if fresh in known and kept in known:
            return bytes(known[kept])
        try:
            content = _download(url)
            _parse_metadata(content, entity_id=self._said["entity_id"])
        except (httpx.HTTPError, ValueError) as error:
            if kept not in known:
                raise
            log.warning("saml_metadata_old", provider=self._id, exc_info=error)
            return bytes(known[kept])
        cache.set(kept, content, METADATA_KEPT_S)
        cache.set(fresh, "", METADATA_FRESH_S)
        return content


class Answer:
    """What a browser brought from another organisation's sign-in."""

    def __init__(self, xml: OneLogin_Saml2_Response, *, said: Mapping[str, Any], acs_url: str, peer_id: str) -> None:
        self._xml, self._said, self._acs_url, self._peer_id = xml, said, acs_url, peer_id

    @property
    def request_id(self) -> str:
        """The request that it says it answers; empty when nobody here asked."""
        return str(self._xml.get_in_response_to() or "")

    def check(self, *, request_id: str) -> Statement:
        """Return what it says of the person, once it is known to be an answer to this request; raises SamlRefused."""
        try:
            self._xml.is_valid(describe_address(self._acs_url), request_id, raise_exceptions=True)
            self._require_strictly(request_id)
            attributes = self._xml.get_attributes()
            return Statement(
                subject=self._find_subject(attributes),
                email=_first(attributes, self._said["email_attributes"]),
                name=_first(attributes, self._said["name_attributes"]),
            )
        except Exception as error:  # a stranger's bytes: XML, times and xmlsec each raise their own
            raise refuse(self._peer_id, error) from error

    def _require_strictly(self, request_id: str) -> None:
        """Refuse an assertion that names no audience, or that is not bound to this request and this address."""
        if not self._xml.get_audiences():
            raise ValueError("The assertion names no audience.")
        assertion = "/samlp:Response/saml:Assertion"
        bound = OneLogin_Saml2_XML.query(self._xml.get_xml_document(), f"{assertion}{BEARER_DATA}")
        now = OneLogin_Saml2_Utils.now()
        if not any(
            each.get("InResponseTo") == request_id
            and each.get("Recipient") == self._acs_url
            and each.get("NotOnOrAfter")
            and OneLogin_Saml2_Utils.parse_SAML_to_time(each.get("NotOnOrAfter")) > now
            for each in bound
        ):
            raise ValueError("The assertion is not bound to the hub's request and address.")

    def _find_subject(self, attributes: Mapping[str, list[object]]) -> str:
        """Return the person's lasting id; raises ValueError where there is none that will be the same next time."""
        wanted = self._said["subject_attributes"]
        subject = _first({name: values for name, values in attributes.items() if len(values) == 1}, wanted)
        if not subject:
            taken = self._xml.get_nameid_format() or ""
            allows = taken != Saml.NAMEID_TRANSIENT if NAME_ID in wanted else taken == Saml.NAMEID_PERSISTENT
            subject = (self._xml.get_nameid() or "").strip() if allows else ""
        if not subject or len(subject) > SUBJECT_LENGTH_MAX:
            sent = ", ".join(attributes)
            raise ValueError(f"It holds no lasting id of the person: set subject_attributes. It holds: {sent}.")
        return subject


def describe_address(url: str) -> dict[str, object]:
    """Return an address of the hub in python3-saml's words."""
    parts = urlsplit(url)
    return {
        "https": "on" if parts.scheme == "https" else "off",
        "http_host": parts.netloc,
        "script_name": "",
        "path_info": parts.path,
        "get_data": {},
        "post_data": {},
    }


def refuse(provider_id: str, reason: object) -> SamlRefused:
    """Return the refusal, whose reason stands in the log alone."""
    log.warning("saml_refused", provider=provider_id, reason=str(reason))
    return SamlRefused()


def _first(attributes: Mapping[str, list[object]], names: tuple[str, ...]) -> str:
    """Return the first text of the first of these attributes that has one."""
    for name in names:
        for value in attributes.get(name, ()):
            if isinstance(value, str):
                return value
    return ""


def _download(url: str) -> bytes:
    content = b""
    with httpx.stream("GET", url, timeout=METADATA_TIMEOUT_S) as answer:
        answer.raise_for_status()
        for part in answer.iter_bytes():
            content += part
            if len(content) > METADATA_BYTES_MAX:
                raise ValueError(f"The metadata is larger than {METADATA_BYTES_MAX} bytes.")
    return content


def _parse_metadata(content: bytes, *, entity_id: str) -> dict[str, Any]:
    """Return what metadata say of a sign-in; raises ValueError where they lack what is needed or are out of date."""
    tree = OneLogin_Saml2_XML.to_etree(content)
    described = f"//md:EntityDescriptor[@entityID='{entity_id}']"
    for node in OneLogin_Saml2_XML.query(tree, f"{described}/ancestor-or-self::*[@validUntil]"):
        if OneLogin_Saml2_Utils.parse_SAML_to_time(node.get("validUntil")) <= OneLogin_Saml2_Utils.now():
            raise ValueError(f"The metadata was valid until {node.get('validUntil')}.")
    found = OneLogin_Saml2_IdPMetadataParser.parse(content, entity_id=entity_id).get("idp", {})
    if "singleSignOnService" not in found:
        raise ValueError(f"The metadata name no address for {entity_id} that takes a redirect.")
    if "x509cert" not in found and "signing" not in found.get("x509certMulti", {}):
        raise ValueError(f"The metadata name no signing certificate of {entity_id}.")
    return {key: found[key] for key in ("entityId", "singleSignOnService", "x509cert", "x509certMulti") if key in found}


def _public(name: str, provider_id: str) -> str:
    path = reverse(name, kwargs={"organization_slug": provider_id})
    return f"{settings.LILONG.public_url.rstrip('/')}{path}"
