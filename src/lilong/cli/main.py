"""The `lilong` command, assembled."""

import typer

from lilong.cli import hub, record

app = typer.Typer(
    name="lilong",
    help="Shop for computing power, run work on it, pay what was metered. Operators: init, serve, backup, restore.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(hub.app)
app.add_typer(record.app)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
