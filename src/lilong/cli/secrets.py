"""Commands about the organisation's secrets."""

import sys
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, format_time, messages, print_json, print_next_step, print_table

app = typer.Typer(help="Secrets that jobs of your organisation may name; values never come back.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Capital letters, digits and underscores, such as HF_TOKEN.")]


@app.command("list")
def list_secrets(as_json: AsJson = False) -> None:
    """List the names."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.secrets.list())
        if as_json:
            print_json(found)
            return
        rows = [(secret.name, format_time(secret.changed_at)) for secret in found]
        print_table(title="Secrets", columns=("Name", "Changed"), rows=rows, right=frozenset())


@app.command("put")
def put_secret(name: Name, as_json: AsJson = False) -> None:
    """Keep a secret; its value is asked for without echo, or read from standard input."""
    with hub_session(as_json=as_json) as hub:
        if sys.stdin.isatty():
            value = str(typer.prompt("Value", hide_input=True, err=True))
        else:
            value = sys.stdin.read().removesuffix("\n")
        hub.secrets.put(name, value=value)
        if as_json:
            print_json({"name": name})
            return
        messages.print(f"Kept {name}.")
        print_next_step(f"Name it in a job: `secrets: [{name}]`. It lies there as a file that only the job reads.")


@app.command("delete")
def delete_secret(name: Name, as_json: AsJson = False) -> None:
    """Forget a secret."""
    with hub_session(as_json=as_json) as hub:
        hub.secrets.delete(name)
        if as_json:
            print_json({"name": name})
        else:
            messages.print(f"Forgot {name}.")
