"""Commands of operators about people: what is held about them, and a second factor that was lost."""

from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, messages, print_json, print_next_step

app = typer.Typer(help="What the hub holds about a person: export it, or erase it.", no_args_is_help=True)

PersonId = Annotated[str, typer.Argument(help="Id of the person, as `lilong members list --json` shows it.")]


@app.command("export")
def export_person(person_id: PersonId, as_json: AsJson = False) -> None:  # noqa: ARG001 - it is JSON in any case
    """Print everything that the hub holds about a person, as one JSON document."""
    with hub_session(as_json=True) as hub:
        print_json(hub.people.export(person_id))


@app.command("erase")
def erase_person(
    person_id: PersonId,
    reason: Annotated[str, typer.Option(help="Why; it stands in the record, so name nobody.")],
    as_json: AsJson = False,
) -> None:
    """Erase name and address of a person for good, and end all memberships and tokens."""
    with hub_session(as_json=as_json) as hub:
        hub.people.erase(person_id, reason=reason)
        if as_json:
            print_json({"erased": person_id})
            return
        messages.print(f"{person_id} is erased.")
        print_next_step("Backups made before still hold the name: they go when you delete them.")


@app.command("reset-second-factor")
def reset_second_factor(
    person_id: Annotated[str, typer.Argument(help="Id of the person, as the members of their organisation show it.")],
    reason: Annotated[str, typer.Argument(help="How you know that it is this person; it stands in the record.")],
    as_json: AsJson = False,
) -> None:
    """Take the second factor from a person who lost it and the recovery codes; all their sessions and tokens end."""
    with hub_session(as_json=as_json) as hub:
        hub.members.reset_second_factor(person_id, reason=reason)
        if as_json:
            print_json({"person_id": person_id, "reason": reason})
        else:
            messages.print(f"{person_id} signs in by password alone until they set up a second factor again.")
