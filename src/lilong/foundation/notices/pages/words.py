"""What people read of webhooks: states, and the sentences in which the hub notes what stood in the way."""

import re
from typing import TYPE_CHECKING

from django.utils.translation import gettext, gettext_noop

if TYPE_CHECKING:
    from collections.abc import Sequence

# Noted in English, in the tables and for the API; pages show them in the reader's language.
_SENTENCES: "Sequence[str]" = (
    gettext_noop("It must begin with https://."),
    gettext_noop("It is no URL."),
    gettext_noop("It must have at most 500 visible ASCII characters."),
    gettext_noop("It must not hold a name or password."),
    gettext_noop("It must name a host, not an address."),
    gettext_noop("It must name a host in ASCII; write other names in their xn-- form."),
    gettext_noop("It redirects, which is not followed: register the address that it leads to."),
    gettext_noop("It answered with an error."),
    gettext_noop("The name has no address."),
    gettext_noop("It did not answer within 15 seconds."),
    gettext_noop("it answered that it is gone for good (410)."),
    gettext_noop("A sealed value cannot be opened"),
)
_NOT_PUBLIC = re.compile(r"(\S+) (?:lies in \S+, which is not public|is not a public (?:unicast )?address)\.")
_CERTIFICATE = re.compile(r"Its certificate does not hold: (.*)")
_NOTHING_TAKEN = re.compile(r"nothing was taken since (\S+)\.")
_UNREACHED = re.compile(r"\w*(?:[Ee]rror|Exception|Refused|Closed|Line|BadStatus\w*): (.*)")


def say_problem(text: str) -> str:
    """Return what stood in the way of a delivery in the reader's language; what is not known, as it was noted."""
    if text in _SENTENCES:
        return gettext(text)
    if found := _NOT_PUBLIC.fullmatch(text):
        return gettext("Its name leads to {address}, which is not public.").format(address=found[1])
    if found := _CERTIFICATE.fullmatch(text):
        return gettext("Its certificate does not hold: {why}").format(why=found[1])
    if found := _NOTHING_TAKEN.fullmatch(text):
        return gettext("nothing was taken since {moment}.").format(moment=found[1])
    if found := _UNREACHED.fullmatch(text):
        return gettext("It could not be reached: {why}").format(why=found[1])
    return text
