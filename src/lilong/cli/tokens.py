"""Commands about one's tokens."""

from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, format_time, messages, print_fields, print_json, print_next_step, print_table
from lilong.common.permissions import Scope
from lilong.common.time import parse_duration_s

app = typer.Typer(help="Tokens for programs and other machines.", no_args_is_help=True)


@app.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """List live tokens."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.tokens.list())
        if as_json:
            print_json(found)
            return
        rows = [
            (
                token.id,
                token.name,
                ", ".join(token.scopes),
                format_time(token.expires_at),
                format_time(token.last_used_at),
            )
            for token in found
        ]
        columns = ("Token", "Name", "May", "Expires", "Last used")
        print_table(title="Tokens", columns=columns, rows=rows, right=frozenset())


@app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; give it once for each.")],
    expires_in: Annotated[str, typer.Option(help="How long it lives, such as 12h or 30d.")] = "30d",
    as_json: AsJson = False,
) -> None:
    """Make a token and show it this once."""
    with hub_session(as_json=as_json) as hub:
        made = hub.tokens.create(name=name, scopes=scope, expires_in_s=parse_duration_s(expires_in))
        if as_json:
            print_json(made)
            return
        print_fields({"Token": made.secret, "Id": made.token_id, "Expires": format_time(made.expires_at)})
        print_next_step("Keep it now: it is not shown again. Programs read it from LILONG_TOKEN.")


@app.command("revoke")
def revoke_token(token_id: Annotated[str, typer.Argument(help="Id of the token.")], as_json: AsJson = False) -> None:
    """End a token."""
    with hub_session(as_json=as_json) as hub:
        hub.tokens.revoke(token_id)
        if as_json:
            print_json({"token_id": token_id})
        else:
            messages.print(f"{token_id} no longer works.")
