"""The desk's page that says what became of a programme's money as of any moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from lilong.common.django.downloads import send_file
from lilong.common.django.forms import MomentField, render_form
from lilong.common.django.people import find_actor, for_operator
from lilong.common.time import format_moment, parse_moment, utc_now
from lilong.foundation.ledger.public.past import AsOf
from lilong.foundation.members.public.people import name_organisations
from lilong.platforms.funding.public.reports import Line, ProgrammeReport, Refused, list_reported
from lilong.platforms.supermarket.pages.replays import REASONS
from lilong.platforms.supermarket.queries.programme_reports import get_report

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

MEMBERS_SHOWN = 100


class ReportForm(forms.Form):
    """Which programme, and as of when."""

    programme = forms.ChoiceField(label=_("Programme"))
    at = MomentField(label=_("As of, UTC"), required=False, help_text=_("Without a moment, as of now."))

    def __init__(self, *arguments: Any, programmes: Mapping[str, str], now: datetime, **options: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*arguments, **options)
        self._now = now
        cast("forms.ChoiceField", self.fields["programme"]).choices = list(programmes.items())

    def clean_at(self) -> datetime:
        """Return the moment; refuse one to come."""
        at: datetime = self.cleaned_data["at"] or self._now
        if at > self._now:
            raise forms.ValidationError(_("This moment has not come yet."))
        return at


@dataclass(frozen=True, slots=True)
class Member:
    """A member by name, with what became of its vouchers."""

    organisation_id: str
    name: str
    line: Line


@require_safe
@for_operator
def show_reports(request: HttpRequest) -> HttpResponseBase:
    """Show a programme as of a moment: the oldest as of now, unless asked for another."""
    actor, now = find_actor(request), utc_now()
    programmes = list_reported(at=now)
    said = {"programme": next(iter(programmes), ""), **request.GET.dict()}
    form = ReportForm(said, programmes=programmes, now=now)
    context: dict[str, object] = {"form": form, "now": now, "has_programmes": bool(programmes)}
    is_refused = bool(programmes) and not form.is_valid()
    if programmes and not is_refused:
        as_of = AsOf.seen_at(form.cleaned_data["at"])
        report = get_report(actor=actor, programme_id=form.cleaned_data["programme"], as_of=as_of, now=now)
        context |= {"report": report, **_describe(report)}
    return render_form(request, "supermarket/programme_report.html", context, is_refused=is_refused)


@require_safe
@for_operator
def download_report(request: HttpRequest, programme_id: str) -> HttpResponseBase:
    """Send the same report as CSV."""
    now = utc_now()
    as_of = AsOf.seen_at(parse_moment(request.GET["at"]) if request.GET.get("at") else now)
    report = get_report(actor=find_actor(request), programme_id=programme_id, as_of=as_of, now=now)
    content = b"".join(report.list_rows())
    name = f"programme-{as_of.at:%Y-%m-%d}.csv"
    return send_file(chunks=[content], size_bytes=len(content), filename=name, media_type="text/csv; charset=utf-8")


def _describe(report: ProgrammeReport) -> dict[str, object]:
    shown = sorted(report.organisations.items(), key=lambda each: (-each[1].flows.spent_uc, each[0]))[:MEMBERS_SHOWN]
    names = name_organisations(organisation_ids=[organisation_id for organisation_id, _ in shown])
    return {
        "at_text": format_moment(report.at),
        "versions": [(each, report.versions.get(each.number, Line())) for each in report.published],
        "members": [Member(each, names.get(each, each), line) for each, line in shown],
        "left_out": len(report.organisations) - len(shown),
        "months": sorted(report.months.items(), reverse=True),
        "refusals": _list_refusals(report),
    }


def _list_refusals(report: ProgrammeReport) -> Sequence[tuple[int, "_StrOrPromise", Refused]]:
    return [(version, REASONS.get(code, code), each) for (version, code), each in sorted(report.refused.items())]
