"""What happens once however often a browser asks: a form that acts, a secret that is shown."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import uuid4

from django import forms
from django.core.cache import cache
from django.http import HttpRequest

from lilong.common.django.sealing import SealBroken, seal, unseal
from lilong.common.time import format_moment, parse_moment

KEY = r"[0-9a-f]{32}"
KEYS_KEPT_S = 24 * 3600
SHOWN_WITHIN = timedelta(minutes=10)


def new_key() -> str:
    """Return a name for what a form asks for, so that it is done once however often the form is sent."""
    return uuid4().hex


class KeyForm(forms.Form):
    """A form that acts once."""

    key = forms.RegexField(KEY, widget=forms.HiddenInput, max_length=32)

    def is_first(self, request: HttpRequest) -> bool:
        """Say whether this valid form was never sent before, and remember that it was: for a day, in all processes."""
        return cache.add(f"form:{request.user.pk}:{self.cleaned_data['key']}", 1, timeout=KEYS_KEPT_S)


def keep_for_showing(request: HttpRequest, *, name: str, shown: Mapping[str, str], now: datetime) -> None:
    """Keep what the next page shows once: sealed, in this session alone, for ten minutes."""
    text = json.dumps({**shown, "kept_at": format_moment(now)})
    request.session[_slot(name)] = seal(text=text, context=_context(request, name))


def take_for_showing(request: HttpRequest, *, name: str, now: datetime) -> dict[str, str] | None:
    """Return what was kept and forget it; None when it was shown already, or too long ago."""
    sealed = request.session.pop(_slot(name), None)
    if sealed is None:
        return None
    try:
        shown: dict[str, str] = json.loads(unseal(sealed=str(sealed), context=_context(request, name)))
    except SealBroken:
        return None
    return shown if now - parse_moment(shown.pop("kept_at")) <= SHOWN_WITHIN else None


def _slot(name: str) -> str:
    return f"to show once: {name}"


def _context(request: HttpRequest, name: str) -> str:
    return f"shown once {request.user.pk} {name}"
