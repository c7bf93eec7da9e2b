"""Forms of pools."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from lilong.common.django.forms import MomentField
from lilong.foundation.runs.services.pools import ENGINES


class PoolForm(forms.Form):
    """A new pool."""

    name = forms.RegexField(
        r"^[a-z0-9][a-z0-9-]{0,62}$",
        label=_("Name of the pool"),
        help_text=_("Small letters, digits and hyphens, such as hall-2."),
    )
    engine = forms.ChoiceField(
        label=_("What runs there"),
        choices=[
            (name, {"local": _("one machine"), "slurm": _("a Slurm cluster")}.get(name, name)) for name in ENGINES
        ],
    )


class MaintenanceForm(forms.Form):
    """A window in which nothing may run on a pool."""

    starts_at = MomentField(label=_("From, UTC"))
    ends_at = MomentField(label=_("Until, UTC"))
    reason = forms.CharField(
        label=_("Reason"), help_text=_("Members who wait read it."), max_length=200, required=False
    )

    def clean(self) -> dict[str, Any]:
        """Refuse an end that is not after the begin."""
        said = super().clean() or {}
        begin, end = said.get("starts_at"), said.get("ends_at")
        if isinstance(begin, datetime) and isinstance(end, datetime) and end <= begin:
            self.add_error("ends_at", _("The end has to be after the begin."))
        return said
