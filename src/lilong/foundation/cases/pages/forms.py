"""Forms of cases."""

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from lilong.foundation.cases.core.decisions import CaseState, Decision
from lilong.foundation.cases.pages.words import KINDS

REASON_MAX = 1000
STATES = (
    (CaseState.OPEN.value, pgettext_lazy("cases", "Open")),
    ("overdue", pgettext_lazy("cases", "Overdue")),
    (CaseState.APPROVED.value, pgettext_lazy("cases", "Approved")),
    (CaseState.REFUSED.value, pgettext_lazy("cases", "Refused")),
    ("all", pgettext_lazy("cases", "All")),
)


class CaseFilterForm(forms.Form):
    """Which cases to list."""

    state = forms.ChoiceField(label=_("State"), choices=STATES, required=False)
    kind = forms.ChoiceField(
        label=_("Kind"), choices=[("", pgettext_lazy("kinds", "All")), *KINDS.items()], required=False
    )


class DecisionForm(forms.Form):
    """An opinion on a case; the button that sends it says which."""

    decision = forms.ChoiceField(choices=[(each.value, each.value) for each in Decision], widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("The organisation concerned reads it, and the record keeps it. It cannot be changed later."),
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class AppealForm(forms.Form):
    """Why a refusal should be looked at again."""

    reason = forms.CharField(
        label=_("Why should it be looked at again?"),
        help_text=_("People who had no say in the decision read it. There is one appeal."),
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
