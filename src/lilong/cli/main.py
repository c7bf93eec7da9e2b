"""The `lilong` command, assembled."""

from typing import Annotated

import typer

from lilong.cli import account, hub, record, secrets, tokens

app = typer.Typer(
    name="lilong",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(account.app)
app.add_typer(secrets.app, name="secrets")
app.add_typer(tokens.app, name="tokens")
app.add_typer(hub.app)
app.add_typer(record.app)


@app.callback()
def choose_hub(
    hub: Annotated[
        str, typer.Option(envvar="LILONG_HUB", metavar="URL", help="Hub to speak to, if not the one in use.")
    ] = "",
) -> None:
    """Shop for computing power, run work on it, pay what was metered. Operators: init, serve, backup, restore."""


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
