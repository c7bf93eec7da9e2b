"""An organisation's people: who belongs to it, inviting, changing roles, removing, handing over, leaving."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language_from_request
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.errors import Conflict, LimitReached
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.time import utc_now
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import HEAD_ROLES, MANAGERS, OrganisationKind, may_set_role
from lilong.foundation.members.models import Membership, Organisation
from lilong.foundation.members.pages.people_forms import InviteForm, RoleForm
from lilong.foundation.members.pages.rights import RIGHTS
from lilong.foundation.members.pages.sessions import list_session_memberships
from lilong.foundation.members.pages.words import say_refusal
from lilong.foundation.members.queries import PersonView, get_member, list_members, list_people
from lilong.foundation.members.queries.invitations import list_invitations
from lilong.foundation.members.services.invitations import invite_member, send_invitation_again, withdraw_invitation
from lilong.foundation.members.services.memberships import (
    change_role,
    leave_organisation,
    remove_member,
    transfer_ownership,
)

MEMBERS_SHOWN = 100
INVITATIONS_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The organisation for which somebody acts. people: those who manage it."""

    actor: Actor
    organisation: Organisation
    kind: OrganisationKind
    people: list[PersonView]

    @property
    def head(self) -> Role:
        """The role that an organisation of this kind never loses the last one of."""
        return HEAD_ROLES[self.kind]

    @property
    def heads(self) -> list[PersonView]:
        """Who has it."""
        return [person for person in self.people if person.role is self.head]

    @property
    def is_maker(self) -> bool:
        """Whether nobody else can belong to it."""
        return self.kind is OrganisationKind.MAKER

    @property
    def may_manage(self) -> bool:
        """Whether the actor may invite, and change some of the roles."""
        return may(self.actor, roles=MANAGERS, scope=Scope.MANAGE).allowed

    def may_set(self, old: Role | None, new: Role | None) -> bool:
        """Whether the actor may turn one role into another; None stands outside of the organisation."""
        return may_set_role(self.actor, kind=self.kind, old=old, new=new).allowed

    def list_roles(self, *, old: Role | None) -> list[Role]:
        """Return the roles that the actor may give instead of `old`."""
        return [role for role in Role if role is not old and self.may_set(old, role)]

    def is_last_head(self, person_id: str) -> bool:
        """Whether nobody else could manage the organisation without this person."""
        return [person.person_id for person in self.heads] == [person_id]


@require_safe
@for_member
def show_people(request: HttpRequest) -> HttpResponseBase:
    """Show who belongs to the organisation, who is invited, and what each role may do."""
    place, now = _find_place(request), utc_now()
    actor = place.actor
    page = list_members(
        actor=actor, organisation_id=actor.organisation_id, cursor=request.GET.get("cursor"), limit=MEMBERS_SHOWN
    )
    invitations = (
        list_invitations(actor=actor, cursor=None, limit=INVITATIONS_SHOWN, now=now).items if place.may_manage else []
    )
    context = {
        "place": place,
        "page": page,
        "members": [(row, place.may_set(Role(row.role), None)) for row in page.items],
        "invitations": [(row, place.may_set(None, row.role)) for row in invitations],
        "is_last_head": place.is_last_head(actor.person_id),
        "rights": RIGHTS,
        "now": now,
    }
    return render(request, "members/people.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def invite(request: HttpRequest) -> HttpResponseBase:
    """Invite an address to a role; raises NotAllowed for who may not."""
    place = _find_place(request)
    require(may(place.actor, roles=MANAGERS, scope=Scope.MANAGE))
    roles = place.list_roles(old=None)
    initial = {
        "role": Role.MEMBER if Role.MEMBER in roles else roles[0],
        "language": get_language_from_request(request),
    }
    form = InviteForm(request.POST or None, roles=roles, initial=initial)
    if request.method == "POST" and form.is_valid() and not place.is_maker:
        given = form.cleaned_data
        try:
            made = invite_member(
                actor=place.actor,
                email=given["email"],
                role=Role(given["role"]),
                language=Language(given["language"]),
                now=utc_now(),
            )
        except (Conflict, LimitReached) as refusal:
            form.add_error(None, say_refusal(refusal))
        else:
            messages.success(request, _("{email} is invited; the mail is on its way.").format(email=made.email))
            return redirect("people")
    return render(request, "members/invite.html", {"place": place, "form": form})


@require_POST
@for_member
def send_again(request: HttpRequest, invitation_id: str) -> HttpResponseBase:
    """Send an invitation anew; raises InvitationMissing, NotAllowed."""
    seen = request.POST.get("times_sent", "")
    try:
        sent = send_invitation_again(
            actor=find_actor(request),
            invitation_id=invitation_id,
            times_sent=int(seen) if seen.isdecimal() else None,
            now=utc_now(),
        )
    except (Conflict, LimitReached) as refusal:
        messages.warning(request, say_refusal(refusal))
    else:
        text = _("A new mail to {email} is on its way; the link in the one before works no more.")
        messages.success(request, text.format(email=sent.email))
    return redirect("people")


@require_POST
@for_member
def withdraw(request: HttpRequest, invitation_id: str) -> HttpResponseBase:
    """Take an invitation back; raises InvitationMissing, NotAllowed."""
    try:
        withdraw_invitation(actor=find_actor(request), invitation_id=invitation_id, now=utc_now())
    except Conflict as refusal:
        messages.warning(request, say_refusal(refusal))
    else:
        messages.success(request, _("The invitation is withdrawn; its link works no more."))
    return redirect("people")


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_member(request: HttpRequest, membership_id: str) -> HttpResponseBase:
    """Show one member and what the actor may change about that person; raises NotFound."""
    place = _find_place(request)
    member = get_member(actor=place.actor, membership_id=membership_id)
    role = Role(member.role)
    roles = place.list_roles(old=role)
    form = RoleForm(request.POST if request.POST.get("action") == "role" else None, roles=roles)
    if request.method == "POST":
        try:
            if _change(request, place.actor, member, form):
                return redirect("people")
        except Conflict as refusal:
            messages.warning(request, say_refusal(refusal))
            return redirect("member", membership_id=membership_id)
    is_self = member.person_id == place.actor.person_id
    is_last_head = place.is_last_head(member.person_id)
    context = {
        "place": place,
        "member": member,
        "form": form if roles and not is_last_head else None,
        "is_self": is_self,
        "is_last_head": is_last_head,
        "may_remove": place.may_set(role, None) and not is_self and not is_last_head,
        "may_transfer": place.actor.role is Role.OWNER and not is_self,
        "now": utc_now(),
    }
    return render(request, "members/member.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def leave(request: HttpRequest) -> HttpResponseBase:
    """Say what leaving ends, and leave once that is confirmed."""
    place = _find_place(request)
    if request.method == "POST":
        try:
            leave_organisation(
                actor=place.actor, organisation_id=request.POST.get("organisation_id", ""), now=utc_now()
            )
        except Conflict as refusal:
            messages.warning(request, say_refusal(refusal))
            return redirect("leave_organisation")
        text = _("You have left {organisation}. Your tokens there have ended.")
        messages.success(request, text.format(organisation=place.organisation.name))
        return redirect("account_overview")
    is_last_head = place.is_last_head(place.actor.person_id)
    return render(request, "members/leave.html", {"place": place, "is_last_head": is_last_head})


def _change(request: HttpRequest, actor: Actor, member: Membership, form: RoleForm) -> bool:
    """Do what the form asks, and return whether it did; raises LastHead, NotAllowed."""
    action, now, name = request.POST.get("action"), utc_now(), member.person.name
    if action == "role" and form.is_valid():
        change_role(actor=actor, membership_id=member.id, role=Role(form.cleaned_data["role"]), now=now)
        messages.success(request, _("{name} has another role from the next page on.").format(name=name))
        return True
    if action == "remove":
        remove_member(actor=actor, membership_id=member.id, now=now)
        messages.success(request, _("{name} belongs to your organisation no more.").format(name=name))
        return True
    if action == "transfer":
        transfer_ownership(actor=actor, membership_id=member.id, now=now)
        messages.success(request, _("{name} is an owner now, and you are an admin.").format(name=name))
        return True
    return False


def _find_place(request: HttpRequest) -> Place:
    """Return where the actor acts; one query beyond who is signed in."""
    actor = find_actor(request)
    memberships = list_session_memberships(request)
    organisation = next(each.organisation for each in memberships if each.organisation_id == actor.organisation_id)
    people = list_people(organisation_id=actor.organisation_id, roles=MANAGERS)
    return Place(actor=actor, organisation=organisation, kind=OrganisationKind(organisation.kind), people=people)
