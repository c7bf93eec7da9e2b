"""The record for everybody: its newest entries and heads, one entry with its proof; and what is about a subject."""

import json

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.time import utc_now
from lilong.foundation.record.queries.explorer import get_proven_entry, list_about, list_newest
from lilong.protocol.checkpoint import encode_base64

ENTRIES_SHOWN = 25
HEADS_SHOWN = 8
INDEX_DIGITS_MAX = 15


@require_safe
def show_record(request: HttpRequest) -> HttpResponseBase:
    """List what everybody sees of the newest entries, and the heads over them."""
    before = request.GET.get("before", "")
    known = before.isascii() and before.isdigit() and len(before) <= INDEX_DIGITS_MAX
    page = list_newest(before=int(before) if known else None, limit=ENTRIES_SHOWN, heads=HEADS_SHOWN)
    rows = [(item, encode_base64(item.hash)) for item in page.items] if page else []
    return render(request, "record/record.html", {"page": page, "rows": rows, "now": utc_now()})


@require_safe
def show_entry(request: HttpRequest, index: int) -> HttpResponseBase:
    """Show an entry with its proof and how to check it; what it says only to those it concerns."""
    entry = get_proven_entry(actor=find_actor(request), index=index)
    opened = entry.opened
    context = {
        "entry": entry,
        "hash": encode_base64(entry.item.hash),
        "root": encode_base64(entry.root),
        "proof": [encode_base64(node) for node in entry.proof],
        "payload": json.dumps(json.loads(opened.payload), indent=2, ensure_ascii=False)
        if opened and opened.payload
        else "",
        "public_url": settings.LILONG.public_url,
        "now": utc_now(),
    }
    return render(request, "record/entry.html", context)


@require_safe
@for_member
def show_subject(request: HttpRequest, subject_id: str) -> HttpResponseBase:
    """List what is recorded about a subject, for those it concerns."""
    entries = list_about(actor=find_actor(request), subject_id=subject_id)
    context = {
        "subject_id": subject_id,
        "entries": entries,
        "public_url": settings.LILONG.public_url,
        "now": utc_now(),
    }
    return render(request, "record/subject.html", context)
