"""The languages that the hub speaks to people."""

from enum import StrEnum


class Language(StrEnum):
    """A language of pages, mails and notices, by its code in Django."""

    EN = "en"
    ZH_HANS = "zh-hans"
