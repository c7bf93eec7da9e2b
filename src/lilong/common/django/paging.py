"""Pages of a queryset by key, so that a page costs the same however deep it lies."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from lilong.common.errors import InputInvalid
from lilong.common.paging import PAGE_LIMIT_MAX, Page, decode_cursor, encode_cursor

M = TypeVar("M", bound=Model)


class LimitInvalid(InputInvalid):
    """The page size is out of range."""

    code = "paging.limit_invalid"
    title = "This page size is out of range"
    next_step = f"Ask for 1 to {PAGE_LIMIT_MAX} items."


def page_oldest_first(queryset: QuerySet[M], *, cursor: str | None, limit: int, key: str = "pk") -> Page[M]:
    """Return one page in ascending order of `key`, which must be unique and sort like text. One query."""
    after = {f"{key}__gt": decode_cursor(cursor)} if cursor else {}
    return _page(queryset.filter(**after).order_by(key), limit=limit, key=key)


def page_newest_first(queryset: QuerySet[M], *, cursor: str | None, limit: int, key: str = "pk") -> Page[M]:
    """Return one page in descending order of `key`, which must be unique and sort like text. One query."""
    before = {f"{key}__lt": decode_cursor(cursor)} if cursor else {}
    return _page(queryset.filter(**before).order_by(f"-{key}"), limit=limit, key=key)


def _page(queryset: QuerySet[M], *, limit: int, key: str) -> Page[M]:
    if not 1 <= limit <= PAGE_LIMIT_MAX:
        raise LimitInvalid(facts={"limit": PAGE_LIMIT_MAX, "asked": limit})
    found = list(queryset[: limit + 1])
    items = found[:limit]
    more = len(found) > limit
    return Page(items=items, next_cursor=encode_cursor(str(getattr(items[-1], key))) if more else None)
