"""Commands about who belongs to one's organisation."""

import sys
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.notices import LanguageChoice
from lilong.cli.output import AsJson, format_time, messages, print_fields, print_json, print_next_step, print_table
from lilong.common.permissions import Role
from lilong.sdk.invitations import NewInvitation

app = typer.Typer(help="Who belongs to your organisation, and in which role.", no_args_is_help=True)

Membership = Annotated[str, typer.Argument(help="Id of the membership, as `lilong members list` shows it.")]
InvitationId = Annotated[str, typer.Argument(help="Id of the invitation, as `lilong members invitations` shows it.")]


@app.command("list")
def list_members(as_json: AsJson = False) -> None:
    """List who belongs to your organisation."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.members.list(organisation_id=hub.organisations.get_me().organisation.id))
        if as_json:
            print_json(found)
            return
        rows = [(each.id, each.name, each.email, each.role, format_time(each.joined_at)) for each in found]
        columns = ("Membership", "Name", "Address", "Role", "Since")
        print_table(title="Members", columns=columns, rows=rows, right=frozenset())


@app.command("invite")
def invite_member(
    email: Annotated[str, typer.Argument(help="Address of the person.")],
    role: Annotated[Role, typer.Option(help="Role that the person gets; none higher than your own.")] = Role.MEMBER,
    language: Annotated[LanguageChoice | None, typer.Option(help="Language of the mail, else your own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let the hub mail an invitation to an address, and show its secret this once."""
    with hub_session(as_json=as_json) as hub:
        _show_sent(hub.invitations.create(email=email, role=role, language=language), as_json=as_json)


@app.command("invitations")
def list_invitations(as_json: AsJson = False) -> None:
    """List the invitations that nobody has accepted."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.invitations.list())
        if as_json:
            print_json(found)
            return
        rows = [
            (each.id, each.email, each.role, each.state, each.times_sent, format_time(each.expires_at))
            for each in found
        ]
        columns = ("Invitation", "Address", "Role", "State", "Sent", "Expires")
        print_table(title="Invitations", columns=columns, rows=rows, right=frozenset({"Sent"}))


@app.command("send-again")
def send_again(invitation_id: InvitationId, as_json: AsJson = False) -> None:
    """Send an invitation again, with a new secret and time."""
    with hub_session(as_json=as_json) as hub:
        _show_sent(hub.invitations.send_again(invitation_id), as_json=as_json)


@app.command("withdraw")
def withdraw_invitation(invitation_id: InvitationId, as_json: AsJson = False) -> None:
    """Take an invitation back."""
    with hub_session(as_json=as_json) as hub:
        hub.invitations.withdraw(invitation_id)
        if as_json:
            print_json({"invitation_id": invitation_id})
        else:
            messages.print(f"{invitation_id} no longer works.")


@app.command("accept")
def accept_invitation(as_json: AsJson = False) -> None:
    """Join the organisation that invited you; the secret is asked for without echo, or read from standard input.

    Your address must be confirmed, and the one that was invited.
    """
    with hub_session(as_json=as_json) as hub:
        if sys.stdin.isatty():
            secret = str(typer.prompt("Secret of the invitation", hide_input=True, err=True)).strip()
        else:
            secret = sys.stdin.readline().strip()
        joined = hub.invitations.accept(secret=secret)
        if as_json:
            print_json(joined)
            return
        print_fields({"Membership": joined.membership_id, "One-time token": joined.one_time_token.secret})
        print_next_step("`lilong login URL` with this token acts for the new organisation.")


@app.command("role")
def change_role(
    membership_id: Membership,
    role: Annotated[Role, typer.Argument(help="Role that the person gets.")],
    as_json: AsJson = False,
) -> None:
    """Give a member another role."""
    with hub_session(as_json=as_json) as hub:
        hub.members.change_role(membership_id, role=role)
        if as_json:
            print_json({"membership_id": membership_id, "role": role.value})
        else:
            messages.print(f"{membership_id} has the role {role} from the next call on.")


@app.command("transfer")
def transfer_ownership(membership_id: Membership, as_json: AsJson = False) -> None:
    """Make another member owner in your place; you become an admin."""
    with hub_session(as_json=as_json) as hub:
        hub.members.transfer_ownership(membership_id)
        if as_json:
            print_json({"membership_id": membership_id})
        else:
            messages.print(f"{membership_id} is an owner now, and you are an admin.")


@app.command("remove")
def remove_member(membership_id: Membership, as_json: AsJson = False) -> None:
    """Remove a member; the person's tokens for your organisation end."""
    with hub_session(as_json=as_json) as hub:
        hub.members.remove(membership_id)
        if as_json:
            print_json({"membership_id": membership_id})
        else:
            messages.print(f"{membership_id} has ended.")


@app.command("leave")
def leave_organisation(
    confirmed: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: AsJson = False
) -> None:
    """Leave the organisation in use; your tokens for it end at once."""
    with hub_session(as_json=as_json) as hub:
        organisation = hub.organisations.get_me().organisation
        if not confirmed:
            typer.confirm(f"Leave {organisation.name}?", abort=True, err=True)
        hub.members.leave(organisation_id=organisation.id)
        if as_json:
            print_json({"left": organisation.id})
            return
        messages.print(f"You have left {organisation.name}.")
        print_next_step("`lilong logout` forgets the token, which has ended.")


def _show_sent(sent: NewInvitation, *, as_json: bool) -> None:
    if as_json:
        print_json(sent)
        return
    expires = format_time(sent.expires_at)
    print_fields({"Invitation": sent.id, "Address": sent.email, "Secret": sent.secret, "Expires": expires})
    print_next_step("The hub mails the person a link; or hand over the secret, for `lilong members accept`.")
