"""Pages of who owns organisations: declaring one's own owners, and for operators whether two are related."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.forms import DayField, render_form
from lilong.common.django.people import find_actor, for_member, for_operator
from lilong.common.django.sentences import tell
from lilong.common.money import PPM
from lilong.common.permissions import Actor, Role, Scope, may
from lilong.common.time import utc_now
from lilong.foundation.members.core.ownership import HolderKind
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.queries import PersonView, get_organisation, list_people, name_organisations
from lilong.foundation.members.queries.ownership import (
    OwnershipView,
    check_related,
    list_declared,
    list_ownership,
    load_related_rule,
)
from lilong.foundation.members.services.ownership import (
    DeclaredOwner,
    OwnershipInvalid,
    declare_ownership,
    end_ownership,
)

SHARES_SHOWN = 50
ROWS_EXTRA = 2
PPM_PER_CENT = PPM // 100
OUTSIDE, ORGANISATION = "outside", "organisation"


class OwnerForm(forms.Form):
    """One owner. A row without a name, number and share is left out."""

    holder = forms.ChoiceField(label=_("Who"), required=False)
    name = forms.CharField(label=_("Name"), max_length=120, required=False)
    number = forms.CharField(label=_("Number or id"), max_length=64, required=False)
    share = forms.DecimalField(
        label=_("Share, per cent"),
        min_value=Decimal(1) / PPM_PER_CENT,
        max_value=Decimal(100),
        decimal_places=4,
        required=False,
        widget=forms.NumberInput(attrs={"inputmode": "decimal"}),
    )

    def __init__(self, *args: Any, people: Sequence[PersonView], **options: Any) -> None:  # noqa: ANN401 - Django's
        super().__init__(*args, **options)
        cast("forms.ChoiceField", self.fields["holder"]).choices = [
            (OUTSIDE, _("Somebody outside of the hub")),
            (ORGANISATION, _("An organisation of this hub")),
            *((person.person_id, person.name) for person in people),
        ]

    def clean(self) -> dict[str, Any]:
        """Ask for what this kind of owner needs; a person without a share is left out."""
        given: dict[str, Any] = {**self.cleaned_data}
        is_outside, is_organisation = given.get("holder") in {"", OUTSIDE}, given.get("holder") == ORGANISATION
        typed = given.get("name") or given.get("number") or given.get("share")
        if not typed:
            return given
        if not given.get("share") and "share" not in self.errors:
            self.add_error("share", _("Say how much."))
        if is_outside and not given.get("name"):
            self.add_error("name", _("Give the name."))
        if (is_outside or is_organisation) and not given.get("number"):
            self.add_error("number", _("Give the number or id: names alone do not tell two apart."))
        return given

    def read_owner(self) -> DeclaredOwner | None:
        """Return the owner of a valid row; None where nothing is declared."""
        given = self.cleaned_data
        if not given.get("share"):
            return None
        share_ppm, holder = int(given["share"] * PPM_PER_CENT), given["holder"] or OUTSIDE
        if holder == OUTSIDE:
            return DeclaredOwner(share_ppm=share_ppm, name=given["name"], registration_number=given["number"])
        if holder == ORGANISATION:
            return DeclaredOwner(share_ppm=share_ppm, organisation_id=given["number"])
        return DeclaredOwner(share_ppm=share_ppm, person_id=holder)


class DayForm(forms.Form):
    """From which day on a declaration holds."""

    starts_on = DayField(
        label=_("From the day"),
        help_text=_("Not later than today, and not before the last declaration began."),
    )


class RelatedForm(forms.Form):
    """With which other organisation to compare."""

    other = forms.CharField(
        label=_("Id of the other organisation"), max_length=64, widget=forms.TextInput(attrs={"spellcheck": "false"})
    )


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_own(request: HttpRequest) -> HttpResponseBase:
    """Show who owns the organisation, as declared; declare all owners anew from a day on."""
    actor = find_actor(request)
    people = list_people(organisation_id=actor.organisation_id, roles=frozenset(Role))
    shares = list_declared(actor=actor)
    if request.method != "POST":
        rows = _make_rows(None, people=people, initial=[_read_initial(share) for share in shares])
        return _render_own(request, people, shares, rows, DayForm(initial={"starts_on": utc_now().date()}))
    rows, day = _make_rows(request.POST, people=people, initial=[]), DayForm(request.POST)
    if "more" in request.POST:
        kept = [_read_typed(row) for row in rows.forms]
        return _render_own(request, people, shares, _make_rows(None, people=people, initial=kept), day)
    if rows.is_valid() and day.is_valid() and _declare(actor, rows, day):
        messages.success(request, gettext("Declared. What was declared before ends on that day."))
        return redirect("own_ownership")
    return _render_own(request, people, shares, rows, day, is_refused=True)


@require_POST
@for_member
def end(request: HttpRequest) -> HttpResponseBase:
    """End what is declared, without anybody new."""
    end_ownership(actor=find_actor(request), ends_on=utc_now().date(), now=utc_now())
    messages.success(request, gettext("Nobody is declared as an owner from today on."))
    return redirect("own_ownership")


@require_safe
@for_operator
def show_of(request: HttpRequest, organisation_id: str) -> HttpResponseBase:
    """Show an operator who owns an organisation, and whether it is related to another one."""
    actor, now = find_actor(request), utc_now()
    organisation = get_organisation(actor=actor, organisation_id=organisation_id)
    other_id = request.GET.get("other", "").strip()
    answer = check_related(actor=actor, first_id=organisation_id, second_id=other_id, now=now) if other_id else None
    page = list_ownership(
        actor=actor, organisation_id=organisation_id, cursor=request.GET.get("cursor"), limit=SHARES_SHOWN
    )
    seen = {share.holder for share in page.items if share.holder_kind is HolderKind.ORGANISATION} | {other_id}
    if answer is not None and answer.relation is not None:
        seen.add(answer.relation.holder)
    people = list_people(organisation_id=organisation_id, roles=frozenset(Role))
    context = {
        "organisation": organisation,
        "page": page,
        "names": name_organisations(organisation_ids=seen) | {each.person_id: each.name for each in people},
        "rule": load_related_rule(),
        "form": RelatedForm(initial={"other": other_id}),
        "other_id": other_id,
        "answer": answer,
        "now": now,
    }
    return render(request, "members/desk_ownership.html", context)


def _declare(actor: Actor, rows: Any, day: DayForm) -> bool:  # noqa: ANN401 - Django's formsets have no types
    """Declare what the rows say; False when they now say what is wrong."""
    named = [(row, owner) for row in rows.forms if (owner := row.read_owner()) is not None]
    try:
        starts_on: date = day.cleaned_data["starts_on"]
        owners = [owner for _row, owner in named]
        declare_ownership(actor=actor, owners=owners, starts_on=starts_on, now=utc_now())
    except OwnershipInvalid as refusal:
        for problem in refusal.fields:
            _tell(problem.path, problem.message, day=day, rows=[row for row, _owner in named])
        return False
    return True


def _tell(path: str, message: str, *, day: DayForm, rows: Sequence[OwnerForm]) -> None:
    """Put a problem where its field is."""
    match path.split("."):
        case ["starts_on", *_rest]:
            day.add_error("starts_on", _("It must not be later than today or before the last declaration began."))
        case ["owners", number, *rest]:
            field = "share" if rest and rest[-1] == "share_ppm" else "number"
            rows[int(number)].add_error(field, tell(message))
        case _other:
            day.add_error(
                None, _("Name at least one owner, and at most 100; all shares together are at most 100 per cent.")
            )


def _make_rows(data: Any, *, people: Sequence[PersonView], initial: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - Django's
    formset = forms.formset_factory(OwnerForm, extra=ROWS_EXTRA, max_num=100, absolute_max=120)
    return formset(data, prefix="owners", initial=initial, form_kwargs={"people": people})


def _read_initial(share: OwnershipView) -> dict[str, Any]:
    numbers = {HolderKind.OUTSIDE: share.registration_number, HolderKind.ORGANISATION: share.holder}
    holder = share.holder if share.holder_kind is HolderKind.PERSON else share.holder_kind.value
    per_cent = (Decimal(share.share_ppm) / PPM_PER_CENT).normalize()
    return {
        "holder": holder,
        "name": share.name,
        "number": numbers.get(share.holder_kind, ""),
        "share": f"{per_cent:f}",
    }


def _read_typed(row: OwnerForm) -> dict[str, Any]:
    return {name: row[name].value() for name in row.fields}


def _render_own(
    request: HttpRequest,
    people: Sequence[PersonView],
    shares: Sequence[OwnershipView],
    rows: Any,  # noqa: ANN401 - Django's formsets have no types
    day: DayForm,
    *,
    is_refused: bool = False,
) -> HttpResponseBase:
    actor, rule = find_actor(request), load_related_rule()
    page = list_ownership(
        actor=actor, organisation_id=actor.organisation_id, cursor=request.GET.get("cursor"), limit=SHARES_SHOWN
    )
    context = {
        "shares": shares,
        "past": [share for share in page.items if share.ends_on is not None],
        "next_cursor": page.next_cursor,
        "heads": [person for person in people if person.role == "owner"],
        "names": {person.person_id: person.name for person in people},
        "named_ppm": sum(share.share_ppm for share in shares),
        "rule": rule,
        "rows": rows,
        "day": day,
        "may_declare": may(actor, roles=MANAGERS, scope=Scope.MANAGE).allowed,
    }
    return render_form(request, "members/ownership.html", context, is_refused=is_refused)
