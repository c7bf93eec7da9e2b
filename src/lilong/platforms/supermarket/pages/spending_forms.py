"""Forms about what an organisation allows itself to spend."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from lilong.common.money import AmountInvalid, parse_credits
from lilong.platforms.supermarket.core.budgets import BudgetPeriod, BudgetScope
from lilong.platforms.supermarket.core.policy import ORDER_MAX_UC
from lilong.platforms.supermarket.queries.budgets import ProjectView

EVERYTHING = BudgetScope.ORGANISATION.value


class CreditsField(forms.CharField):
    """An amount that people write in credits, as micro-credits; None where it may be left empty and is."""

    def __init__(self, *, at_least_uc: int = 1, **options: Any) -> None:  # noqa: ANN401 - handed on
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(max_length=20, widget=widget, **options)
        self.at_least_uc = at_least_uc

    def clean(self, value: object) -> int | None:
        """Return the micro-credits that were written."""
        text = super().clean(value)
        if not text:
            return None
        try:
            amount_uc = parse_credits(text)
        except AmountInvalid as error:
            raise forms.ValidationError(_("Write a number such as 12.5, with at most six decimals.")) from error
        if not self.at_least_uc <= amount_uc <= ORDER_MAX_UC:
            raise forms.ValidationError(_("This is too much, or nothing."))
        return amount_uc


class BudgetForm(forms.Form):
    """A budget: whose orders count, in which period, and the most that they may come to."""

    name = forms.CharField(
        label=_("Name of the budget"), help_text=_("Whoever it refuses reads it, such as vision 2026."), max_length=63
    )
    about = forms.ChoiceField(label=_("Whose orders count"))
    period = forms.ChoiceField(
        label=_("Period"),
        choices=[
            (BudgetPeriod.MONTH.value, _("each calendar month")),
            (BudgetPeriod.OPEN.value, _("without end, from today on")),
        ],
    )
    limit = CreditsField(
        label=_("Most that they may come to"), help_text=_("In credits, vouchers included, such as 500.")
    )

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - handed on
        projects: Sequence[ProjectView],
        people: Mapping[str, str],
        **options: Any,  # noqa: ANN401 - handed on
    ) -> None:
        super().__init__(*args, **options)
        groups: list[Any] = [(EVERYTHING, _("all of the organisation"))]
        if projects:
            groups.append((_("One project"), [(f"project {each.id}", each.name) for each in projects]))
        groups.append((_("One person"), [(f"person {person_id}", name) for person_id, name in people.items()]))
        cast("forms.ChoiceField", self.fields["about"]).choices = groups

    def read_about(self) -> tuple[BudgetScope, str]:
        """Return whose orders a valid form is about: the scope, and the id of the project or person."""
        scope, _space, subject_id = self.cleaned_data["about"].partition(" ")
        return BudgetScope(scope), subject_id


class ProjectForm(forms.Form):
    """A project."""

    project_name = forms.CharField(
        label=_("Name of the project"),
        help_text=_("Whoever asks for a quote can choose it, such as speech-2."),
        max_length=63,
    )


class RuleForm(forms.Form):
    """Which orders need an approval, and when the wallet is low."""

    approval_above = CreditsField(
        label=_("Orders above this need an approval"),
        help_text=_(
            "In credits, by the most that an order can cost; 0 for all, empty for none. Another owner or admin "
            "approves it than who ordered, within a week."
        ),
        required=False,
        at_least_uc=0,
    )
    low_balance = CreditsField(
        label=_("Tell us when less than this is available in the wallet"),
        help_text=_("In credits; empty for never. Owners, admins and who looks after money are told once."),
        required=False,
    )


class ReasonForm(forms.Form):
    """Why an order is approved or refused."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("Whoever ordered reads it, and the record keeps it."),
        max_length=1000,
        widget=forms.Textarea,
    )
