"""All kinds of notices that the rooms of this hub have, from their `notices.toml`."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from django.apps import apps

from lilong.common.sentences import say
from lilong.foundation.notices.core.kinds import NoticeKind, NoticeKindUnknown, read_kinds

FILE = "notices.toml"


@lru_cache(maxsize=1)
def load_kinds() -> Mapping[str, NoticeKind]:
    """Return every kind by its code; raises NoticeKindWrong for an entry that is wrong."""
    kinds: dict[str, NoticeKind] = {}
    for app in apps.get_app_configs():
        path = Path(app.path) / FILE
        if app.name.startswith("lilong.") and path.is_file():
            document = tomllib.loads(path.read_text(encoding="utf-8"))
            kinds |= read_kinds(room=app.label, document=document)
    return kinds


def list_offered_kinds() -> Mapping[str, NoticeKind]:
    """Return the kinds that people find in their inbox and choose about, by code."""
    return {code: kind for code, kind in load_kinds().items() if kind.to}


def get_kind(*, code: str) -> NoticeKind:
    """Return a kind; raises NoticeKindUnknown."""
    kind = load_kinds().get(code)
    if kind is None:
        raise NoticeKindUnknown(detail=say("No notices.toml has {code}.", code=code))
    return kind
