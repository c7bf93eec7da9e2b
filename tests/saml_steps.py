"""Going to another organisation's SAML sign-in and coming back, as a browser does it."""

import base64
import zlib
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from tests.sign_ins import Browser

EDUGAIN = (
    "urn:oasis:names:tc:SAML:attribute:subject-id",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:2.16.840.1.113730.3.1.241",
)
ENTRA = (
    "http://schemas.microsoft.com/identity/claims/objectidentifier",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.microsoft.com/identity/claims/displayname",
)
ADFS = (
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarysid",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.xmlsoap.org/claims/CommonName",
)
LOGIN = "/account/saml/campus/login/"


def tell(campus, subject, *, email="ada@campus.example", name="Ada Lovelace", names=EDUGAIN, **more):
    """Let the provider know somebody by the names of attributes that such a provider uses."""
    values = zip(names, ([subject], [email], [name]), strict=True)
    campus.set_person(subject, dict(values), **more)


def leave(browser, *, query=""):
    """Let the browser be sent to the provider; return the address there."""
    leaving = browser.post(f"{LOGIN}{query}", {})
    assert leaving.status_code == 302, leaving.content
    return leaving["Location"]


def come_back(browser, path, fields):
    """Bring an answer as a form on a foreign page does, without the hub's cookies, and follow where it leads."""
    kept = {name: browser.client.cookies.pop(name, None) for name in ("lilong-session", "language")}
    brought = browser.client.post(path, fields)
    for name, cookie in kept.items():
        if cookie is not None:
            browser.client.cookies[name] = cookie.value
    return browser.get(brought["Location"], follow=True) if brought.status_code == 302 else brought


def come_from_campus(campus, subject, *, browser=None, query="", flaw=""):
    """Sign in by the provider; the browser that is returned has come back, with what it shows then."""
    browser = browser or Browser()
    return browser, come_back(browser, *campus.answer(leave(browser, query=query), subject, flaw=flaw))


def read_request_id(leaving):
    """Return the id of the request in an address that leads to the provider."""
    (request,) = parse_qs(urlsplit(leaving).query)["SAMLRequest"]
    return etree.fromstring(zlib.decompress(base64.b64decode(request), -15)).get("ID")


def change(brought, do):
    """Return an answer that somebody on the way has changed."""
    response = etree.fromstring(base64.b64decode(brought))
    do(response)
    return base64.b64encode(etree.tostring(response)).decode()
