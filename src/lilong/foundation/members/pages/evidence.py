"""Pages of an organisation's evidence wallet: its documents, one of them, giving, replacing and withdrawing."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.downloads import send_file
from lilong.common.django.forms import DayField, render_form
from lilong.common.django.people import find_actor, for_member
from lilong.common.django.sentences import tell
from lilong.common.django.uploads import CheckedUpload, find_upload, takes_file
from lilong.common.permissions import Scope, may
from lilong.common.time import utc_now
from lilong.foundation.members.core.evidence import HEAD_BYTES, find_day_problems, find_document_type
from lilong.foundation.members.pages.words import name_evidence
from lilong.foundation.members.queries.evidence import (
    get_evidence,
    list_evidence,
    list_uses,
    list_wallet,
    load_evidence_kinds,
)
from lilong.foundation.members.services.evidence import (
    DOCUMENT_BYTES_MAX,
    KEEPERS,
    EvidenceInvalid,
    give_evidence,
    open_own_evidence,
    upload_document,
    withdraw_evidence,
)

WITHDRAWN_READ = 100
DOCUMENT = "document"

takes_document = takes_file(
    bytes_max=DOCUMENT_BYTES_MAX, head_bytes=HEAD_BYTES, fits=lambda head: find_document_type(head=head) is not None
)


def list_kind_choices() -> list[tuple[str, str]]:
    """Return the published kinds of documents with their names in the reader's language."""
    return [(code, name_evidence(code)) for code in load_evidence_kinds().kinds]


class EvidenceForm(forms.Form):
    """A document with what it is and how long it is good. The file comes last, so that all else is known before it."""

    kind = forms.ChoiceField(label=_("Kind of document"), choices=list_kind_choices)
    title = forms.CharField(label=_("Title"), help_text=_("As you want to find it again."), max_length=120)
    issued_on = DayField(label=_("Issued on"))
    expires_on = DayField(
        label=_("Expires on"),
        help_text=_("The first day on which it is good no more. Documents that never expire leave it out."),
        required=False,
    )
    document = forms.FileField(
        label=_("File"),
        help_text=format_lazy(
            _("PDF, PNG or JPEG, at most {size} MiB. Who decides a case about you can read it, nobody else outside."),
            size=DOCUMENT_BYTES_MAX // 1024**2,
        ),
        widget=forms.FileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg"}),
    )

    def __init__(self, *args: Any, upload: CheckedUpload | None = None, **options: Any) -> None:  # noqa: ANN401 - Django's
        super().__init__(*args, **options)
        if upload is not None and DOCUMENT in upload.refused:
            wrong = _("This is no PDF, PNG or JPEG file, whatever its name says. Save it as a PDF and choose that.")
            self.fields[DOCUMENT].error_messages = {"required": wrong}

    def clean(self) -> dict[str, Any]:
        """Say what is wrong with the days."""
        given: dict[str, Any] = {**self.cleaned_data}
        kind = load_evidence_kinds().kinds.get(given.get("kind", ""))
        if kind is not None and "issued_on" in given and "expires_on" in given:
            problems = find_day_problems(
                kind=kind, issued_on=given["issued_on"], expires_on=given["expires_on"], day=utc_now().date()
            )
            for path, message in problems.items():
                self.add_error(path, tell(message))
        return given


@require_safe
@for_member
def show_wallet(request: HttpRequest) -> HttpResponseBase:
    """Show the documents of the organisation by kind, and the form for another one."""
    return _render_wallet(request, EvidenceForm())


@require_POST
@for_member
@takes_document
def give(request: HttpRequest) -> HttpResponseBase:
    """Take a document."""
    form = EvidenceForm(request.POST, request.FILES, upload=find_upload(request))
    if not form.is_valid():
        return _render_wallet(request, form)
    given = _save(request, form, replaces="")
    if given is None:
        return _render_wallet(request, form)
    messages.success(request, gettext("The document is in your wallet."))
    return redirect("own_evidence")


@require_safe
@for_member
def show_document(request: HttpRequest, evidence_id: str) -> HttpResponseBase:
    """Show a document: how long it is good, what it is shown for, and the forms to replace or withdraw it."""
    return _render_document(request, evidence_id, None)


@require_POST
@for_member
@takes_document
def replace(request: HttpRequest, evidence_id: str) -> HttpResponseBase:
    """Take a newer document, and withdraw the one that it replaces."""
    form = EvidenceForm(request.POST, request.FILES, upload=find_upload(request))
    if not form.is_valid():
        return _render_document(request, evidence_id, form)
    given = _save(request, form, replaces=evidence_id)
    if given is None:
        return _render_document(request, evidence_id, form)
    messages.success(request, gettext("The new document is in your wallet, and the old one is withdrawn."))
    return redirect("own_document", evidence_id=given)


@require_POST
@for_member
def withdraw(request: HttpRequest, evidence_id: str) -> HttpResponseBase:
    """Take a document back."""
    withdraw_evidence(actor=find_actor(request), evidence_id=evidence_id, now=utc_now())
    messages.success(
        request, gettext("Withdrawn: nobody can open it any more. What was decided with it stays decided.")
    )
    return redirect("own_evidence")


@require_safe
@for_member
def download(request: HttpRequest, evidence_id: str) -> HttpResponseBase:
    """Send a document of the organisation."""
    document = open_own_evidence(actor=find_actor(request), evidence_id=evidence_id)
    return send_file(
        chunks=document.reader.chunks,
        size_bytes=document.reader.size_bytes,
        filename=document.filename,
        media_type=document.media_type,
    )


def _save(request: HttpRequest, form: EvidenceForm, *, replaces: str) -> str | None:
    """Keep the file of a valid form and return the document's id; None when the form now says what is wrong."""
    actor, now, given = find_actor(request), utc_now(), form.cleaned_data
    file, sha256 = given[DOCUMENT], find_upload(request).digests[DOCUMENT]
    if replaces:
        get_evidence(actor=actor, evidence_id=replaces, now=now)
    upload_document(actor=actor, file=file, sha256=sha256, size_bytes=file.size, now=now)
    try:
        made = give_evidence(
            actor=actor,
            kind=given["kind"],
            title=given["title"],
            sha256=sha256,
            issued_on=given["issued_on"],
            expires_on=given["expires_on"],
            replaces=replaces,
            now=now,
        )
    except EvidenceInvalid as refusal:
        for problem in refusal.fields:
            form.add_error(DOCUMENT if problem.path == "sha256" else problem.path, tell(problem.message))
        return None
    return made.id


def _render_wallet(request: HttpRequest, form: EvidenceForm) -> HttpResponseBase:
    actor, now = find_actor(request), utc_now()
    documents = list_wallet(actor=actor, now=now)
    past = list_evidence(actor=actor, cursor=None, limit=WITHDRAWN_READ, now=now).items
    context = {
        "documents": documents,
        "uses": list_uses(actor=actor, evidence_ids=[each.id for each in documents]),
        "withdrawn": [each for each in past if each.state == "withdrawn"],
        "form": form,
        "may_keep": may(actor, roles=KEEPERS, scope=Scope.MANAGE).allowed,
        "now": now,
    }
    return render_form(request, "members/evidence.html", context, is_refused=bool(form.errors))


def _render_document(request: HttpRequest, evidence_id: str, form: EvidenceForm | None) -> HttpResponseBase:
    actor, now = find_actor(request), utc_now()
    document = get_evidence(actor=actor, evidence_id=evidence_id, now=now)
    context = {
        "document": document,
        "uses": list_uses(actor=actor, evidence_ids=[document.id])[document.id],
        "form": form or EvidenceForm(initial={"kind": document.kind, "title": document.title}),
        "may_keep": may(actor, roles=KEEPERS, scope=Scope.MANAGE).allowed,
        "now": now,
    }
    return render_form(request, "members/document.html", context, is_refused=form is not None)
