"""The desk's page on which a voucher rule is tried on past orders before anybody publishes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from lilong.common.django.charts import Chart, Paint, Series, Step
from lilong.common.django.forms import DayField, read_text_file, render_form
from lilong.common.django.people import find_actor, for_operator
from lilong.common.django.sentences import tell
from lilong.common.errors import InputInvalid
from lilong.common.paging import PAGE_LIMIT_MAX
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.members.public.people import name_organisations
from lilong.platforms.funding.public import ProgrammeView, list_programmes
from lilong.platforms.funding.public.replay import (
    Clause,
    Code,
    Count,
    Outcome,
    Paid,
    RulePack,
    get_proposal,
    read_pack,
    run_cases,
)
from lilong.platforms.supermarket.queries.replay import replay_draft

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

RULE_LENGTH_MAX = 65_536
CHANGES_SHOWN = 25

REASONS: "Mapping[str, _StrOrPromise]" = {
    Code.NOT_ADMITTED: _("The organisation was not admitted"),
    Code.EARMARK_UNSOLD: _("The hub does not sell what it pays for"),
    Code.RELATED_PARTY: _("Organisation and provider were related"),
    Code.NO_RATE: _("No rate applies"),
    Code.EXPIRED: _("The voucher had expired"),
    Code.SPENT: _("The voucher was spent"),
    Code.RESERVED: _("Other orders held what was left of the voucher"),
    Code.YEAR_CAP_REACHED: _("The cap of a year was reached"),
    Code.YEAR_BUDGET_REACHED: _("The budget of a year was used"),
    Code.PRICE_CARRIED: _("Other vouchers carried the whole price"),
    Code.HIGHER_RATE_PAYS: _("A higher rate of another programme paid alone"),
}

CLAUSES: "Mapping[Clause, _StrOrPromise]" = {
    Clause.ORDER_CAP: _("Cut by the cap of an order"),
    Clause.YEAR_CAP: _("Cut by the cap of a year"),
    Clause.VOUCHER: _("Cut by what the voucher had left"),
}


class ReplayForm(forms.Form):
    """A rule as a file or as text, whose vouchers are to carry it, and the period."""

    file = forms.FileField(
        label=_("The rule's file"),
        help_text=_("TOML, as lilong programmes takes it."),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".toml"}),
    )
    text = forms.CharField(
        label=_("Or the rule itself"),
        help_text=_("What is written here counts where no file is given."),
        required=False,
        max_length=RULE_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )
    programme = forms.ChoiceField(
        label=_("Whose vouchers carry it"),
        help_text=_("Of a programme that does not exist yet, every organisation has as large a voucher as it may."),
        required=False,
    )
    begins_on = DayField(label=_("First day, of UTC"))
    ends_on = DayField(label=_("Day after the last"))

    def __init__(self, *arguments: Any, programmes: Sequence[ProgrammeView], **options: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*arguments, **options)
        self.pack: RulePack | None = None
        choices = [("", _("A programme that does not exist yet")), *((each.id, each.name) for each in programmes)]
        cast("forms.ChoiceField", self.fields["programme"]).choices = choices

    def clean_file(self) -> str:
        """Return the text of the file, empty without one."""
        return read_text_file(
            file=self.cleaned_data.get("file"),
            length_max=RULE_LENGTH_MAX,
            too_long=gettext("A rule has at most 64 KiB."),
            no_text=gettext("It is no text in UTF-8."),
        )

    def read_text(self) -> str:
        """Return the rule as it was given; browsers end lines of what is written in their own way."""
        text: str = self.cleaned_data["file"] or self.cleaned_data["text"]
        return text.replace("\r\n", "\n")

    def run(self, *, actor: Actor) -> Outcome | None:
        """Replay what was asked for; what is wrong with it becomes errors of the form, each with its field's name."""
        said = self.cleaned_data
        try:
            self.pack = read_pack(text=self.read_text())
            return replay_draft(
                actor=actor,
                rule=self.pack.rule,
                programme_id=said["programme"],
                period=DayPeriod(begins_on=said["begins_on"], ends_on=said["ends_on"]),
            )
        except InputInvalid as refusal:
            for problem in refusal.fields:
                self.add_error("text", f"{problem.path}: {tell(problem.message)}")
            if not refusal.fields:
                self.add_error(None, f"{tell(refusal.title)}. {tell(refusal.detail)} {tell(refusal.next_step)}".strip())
            return None


@dataclass(frozen=True, slots=True)
class Line:
    """Why the rule pays less than its rate on some orders: how many, and how much they are about."""

    why: "_StrOrPromise"
    number: int
    amount_uc: int


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_replay(request: HttpRequest) -> HttpResponseBase:
    """Take a rule and a period, show what its own cases say and what it would have cost; nothing is kept."""
    actor, now = find_actor(request), utc_now()
    programmes = list_programmes(actor=actor, cursor=None, limit=PAGE_LIMIT_MAX, now=now).items
    form = ReplayForm(
        request.POST or None,
        request.FILES or None,
        programmes=programmes,
        initial=_find_last_quarter(now.date()) | _find_proposed(actor, request.GET.get("proposal", "")),
    )
    outcome = form.run(actor=actor) if form.is_valid() else None
    context: dict[str, object] = {"form": form, "outcome": outcome}
    if outcome is not None and form.pack is not None:
        changes = outcome.changes[:CHANGES_SHOWN]
        names = name_organisations(organisation_ids=[organisation_id for organisation_id, _ in changes])
        context |= {
            "cases": run_cases(pack=form.pack),
            "chart": chart_costs(outcome=outcome),
            "lines": _list_lines(outcome),
            "changes": [(each, names.get(each, each), paid) for each, paid in changes],
            "pack": form.read_text(),
            "programme": next((each for each in programmes if each.id == form.cleaned_data["programme"]), None),
        }
    return render_form(request, "supermarket/replay.html", context, is_refused=form.is_bound and outcome is None)


def chart_costs(*, outcome: Outcome) -> Chart:
    """Return what the rule pays by month, beside what was paid in its place."""
    months = _list_months(outcome)
    paid = [outcome.months.get(month, Paid()) for month in months[:-1]]
    return Chart(
        name="replay",
        title=_("Cost by month"),
        step=Step.MONTH,
        edges=[datetime.combine(month, time(), UTC) for month in months],
        series=[
            Series(
                label=_("Paid as it was"),
                paint=Paint.CONTROL,
                amounts_uc=[min(each.draft_uc, each.draft_was_uc) for each in paid],
            ),
            Series(
                label=_("Paid more"),
                paint=Paint.INK,
                amounts_uc=[max(each.draft_uc - each.draft_was_uc, 0) for each in paid],
            ),
            Series(
                label=_("Paid less"),
                paint=Paint.BRICK,
                amounts_uc=[min(each.draft_uc - each.draft_was_uc, 0) for each in paid],
            ),
        ],
        is_over=True,
    )


def _list_months(outcome: Outcome) -> list[date]:
    """Return the first day of every month from the first settlement to the last, and of the one after."""
    months = [min(outcome.months, default=date(1970, 1, 1))]
    while months[-1] <= max(outcome.months, default=months[0]):
        months.append((months[-1] + timedelta(days=32)).replace(day=1))
    return months


def _list_lines(outcome: Outcome) -> list[Line]:
    lines = [
        *(Line(REASONS[code], count.number, count.amount_uc) for code, count in sorted(outcome.refused.items())),
        Line(_("The organisation had no voucher of it"), *_read(outcome.without_voucher)),
        *(Line(CLAUSES[clause], count.number, count.amount_uc) for clause, count in sorted(outcome.cut.items())),
        Line(_("Vouchers beyond the budget of a year, not issued"), *_read(outcome.withheld)),
        Line(_("Quoted before, or corrected by hand: kept as paid"), outcome.kept.orders, outcome.kept.due_uc),
    ]
    return [line for line in lines if line.number]


def _read(count: Count) -> tuple[int, int]:
    return count.number, count.amount_uc


def _find_proposed(actor: Actor, proposal_id: str) -> dict[str, str]:
    """Return the text and the programme of what was handed in, nothing without an id."""
    if not proposal_id:
        return {}
    proposal = get_proposal(actor=actor, proposal_id=proposal_id)
    return {"text": proposal.pack, "programme": proposal.programme_id}


def _find_last_quarter(today: date) -> dict[str, date]:
    """Return the first day of the last whole quarter, and the day after it."""
    ends_on = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    begins_on = (ends_on - timedelta(days=80)).replace(day=1)
    return {"begins_on": begins_on, "ends_on": ends_on}
