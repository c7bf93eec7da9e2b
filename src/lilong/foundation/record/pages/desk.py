"""What of the record waits for an operator: a head that is too old, a witness that does not answer."""

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lilong.common.django.desks import Panel, Waiting
from lilong.common.permissions import Actor
from lilong.foundation.record.queries.explorer import get_health

HEAD_LATE_AFTER = timedelta(minutes=2)


def build_panel(*, actor: Actor, now: datetime) -> Panel:
    """Return what is wrong with the record: witnesses that are silent, entries that wait too long for a head."""
    health = get_health(actor=actor, now=now)
    page = reverse("record")
    items = [
        Waiting(text=witness.name, about=witness.problem or _("has not confirmed"), href=page, at=witness.checked_at)
        for witness in health.silent
    ]
    if health.oldest_at is not None and health.oldest_at <= now - HEAD_LATE_AFTER:
        text = _("Decisions that no published head covers")
        items.insert(0, Waiting(text=text, about=str(health.behind), href=page, at=health.oldest_at))
    return Panel(
        name="record",
        title=_("The record"),
        calm=_("Every decision stands under a head that enough witnesses signed."),
        next_step=_("See that the worker runs and that each witness answers; what waits is sealed by itself then."),
        href=page,
        label=_("The record"),
        items=items,
    )
