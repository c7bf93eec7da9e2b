"""What every page knows: the hub's name, navigation, language and theme."""

from functools import partial

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from lilong import __version__
from lilong.web.navigation import DESK, ENTRIES, ORGANISATION, list_links, list_tabs

THEME_COOKIE = "theme"
THEMES = ("light", "dark")
"""What the cookie may hold; without it the page follows the device."""


def read_theme(request: HttpRequest) -> str:
    """Return the theme that was chosen, or `auto`."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "auto"


def describe_shell(request: HttpRequest) -> dict[str, object]:
    """Return the variables of base.html; a context processor."""
    return {
        "hub_name": settings.LILONG.hub_name,
        "version": __version__,
        "links": list_links(request, entries=ENTRIES),
        "organisation_tabs": partial(list_tabs, request, groups=ORGANISATION),
        "desk_tabs": partial(list_tabs, request, groups=DESK),
        "theme": read_theme(request),
        "themes": [("auto", _("Auto")), ("light", _("Light")), ("dark", _("Dark"))],
        "languages": settings.LANGUAGES,
        "address": request.get_full_path(),
    }
