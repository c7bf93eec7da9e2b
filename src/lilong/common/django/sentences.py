"""Sentences of the hub in the reader's language."""

from django.utils.translation import gettext

from lilong.common.sentences import retell


def tell(text: str) -> str:
    """Return what happened in the reader's language; what no catalogue knows, such as words of an engine, as it is."""
    return retell(text, translate=gettext)
