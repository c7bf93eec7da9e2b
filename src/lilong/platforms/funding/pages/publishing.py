"""The desk's pages on which the next version of a rule is handed in, and read by whoever is to approve it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from lilong.common.django.forms import MomentField, read_text_file, render_form
from lilong.common.django.people import find_actor, for_operator
from lilong.common.django.sentences import tell
from lilong.common.errors import LilongError
from lilong.common.paging import PAGE_LIMIT_MAX
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.platforms.funding.core.packs import PACK_LENGTH_MAX, read_pack, run_cases
from lilong.platforms.funding.core.rules import VoucherRuleInvalid
from lilong.platforms.funding.queries import ProgrammeView, list_programmes
from lilong.platforms.funding.queries.publishing import get_proposal, list_proposals
from lilong.platforms.funding.services.publishing import PackRefused, VersionTaken, propose_rule

SHOWN = 25
ONE_DAY = timedelta(days=1)
OWN_FIELDS = {"valid_from"}


class HandInForm(forms.Form):
    """The next version of a programme's rule, as a file or as text, and from when it is in force."""

    programme = forms.ChoiceField(label=_("Programme"))
    file = forms.FileField(
        label=_("The rule's file"),
        help_text=_("TOML with its number and its cases, as the examples have them."),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".toml"}),
    )
    text = forms.CharField(
        label=_("Or the rule itself"),
        help_text=_("What is written here counts where no file is given."),
        required=False,
        max_length=PACK_LENGTH_MAX,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )
    valid_from = MomentField(label=_("In force from, UTC"), help_text=_("Approved later, it is in force from then on."))

    def __init__(self, *arguments: Any, programmes: Sequence[ProgrammeView], **options: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*arguments, **options)
        cast("forms.ChoiceField", self.fields["programme"]).choices = [(each.id, each.name) for each in programmes]

    def clean_file(self) -> str:
        """Return the text of the file, empty without one."""
        return read_text_file(
            file=self.cleaned_data.get("file"),
            length_max=PACK_LENGTH_MAX,
            too_long=gettext("A rule has at most 64 KiB."),
            no_text=gettext("It is no text in UTF-8."),
        )

    def hand_in(self, *, actor: Actor) -> str:
        """Hand it in and return its case; what is wrong with it becomes errors of the form, and nothing is returned."""
        said = self.cleaned_data
        # Browsers end lines of what is written in their own way.
        pack = (said["file"] or said["text"]).replace("\r\n", "\n")
        try:
            return propose_rule(
                actor=actor,
                programme_id=said["programme"],
                pack=pack,
                valid_from=said["valid_from"],
                now=utc_now(),
            )
        except (VoucherRuleInvalid, PackRefused, VersionTaken) as refusal:
            self._put(refusal)
            return ""

    def _put(self, refusal: LilongError) -> None:
        for problem in refusal.fields:
            field = problem.path if problem.path in OWN_FIELDS else "text"
            begin = "" if field in OWN_FIELDS or problem.path == "pack" else f"{problem.path}: "
            self.add_error(field, f"{begin}{tell(problem.message)}")
        if not refusal.fields:
            self.add_error(None, f"{tell(refusal.title)}. {tell(refusal.detail)} {tell(refusal.next_step)}".strip())


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_rules(request: HttpRequest) -> HttpResponseBase:
    """List the versions that were handed in, and take the next one."""
    actor, now = find_actor(request), utc_now()
    programmes = list_programmes(actor=actor, cursor=None, limit=PAGE_LIMIT_MAX, now=now).items
    tomorrow = (now + ONE_DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    form = HandInForm(
        request.POST or None,
        request.FILES or None,
        programmes=programmes,
        initial={"valid_from": tomorrow, "programme": request.GET.get("programme", "")},
    )
    if form.is_valid() and (case_id := form.hand_in(actor=actor)):
        messages.success(request, gettext("Handed in. It is in force once another operator approved it."))
        return redirect("desk_case", case_id=case_id)
    page = list_proposals(actor=actor, cursor=request.GET.get("cursor"), limit=SHOWN)
    return render_form(request, "funding/rules.html", {"form": form, "page": page}, is_refused=bool(form.errors))


@require_safe
@for_operator
def show_rule(request: HttpRequest, proposal_id: str) -> HttpResponseBase:
    """Show a version as it was handed in, with what its own cases say."""
    proposal = get_proposal(actor=find_actor(request), proposal_id=proposal_id)
    pack = read_pack(text=proposal.pack)
    context = {"proposal": proposal, "cases": run_cases(pack=pack), "rule_sha256": pack.rule.sha256}
    return render(request, "funding/rule.html", context)
