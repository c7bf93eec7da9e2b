"""The `lilong` command, assembled."""

from typing import Annotated

import typer

from lilong.cli import account, agent, hub, jobs, orders, record, secrets, shop, tokens, volumes, wallet
from lilong.cli.credentials import choose_hub
from lilong.cli.demo import command as demo
from lilong.cli.output import set_up_logging

app = typer.Typer(
    name="lilong",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(account.app)
app.add_typer(shop.app)
app.add_typer(jobs.app)
app.add_typer(orders.app)
app.add_typer(wallet.app)
app.add_typer(secrets.app, name="secrets")
app.add_typer(volumes.app, name="volumes")
app.add_typer(tokens.app, name="tokens")
app.add_typer(agent.app, name="agent")
app.add_typer(hub.app)
app.add_typer(record.app)
app.add_typer(demo.app)


@app.callback()
def begin(
    hub: Annotated[
        str, typer.Option(envvar="LILONG_HUB", metavar="URL", help="Hub to speak to, if not the one in use.")
    ] = "",
) -> None:
    """Shop for computing power, run work on it, pay what was metered. Operators: init, serve, backup, restore."""
    set_up_logging()
    choose_hub(hub)


def main() -> None:
    """Run the command line."""
    app(prog_name="lilong")


if __name__ == "__main__":
    main()
