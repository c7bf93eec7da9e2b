"""The `lilong` command, assembled."""

from typing import Annotated

import typer

from lilong.cli import (
    accelerators,
    account,
    agent,
    approvals,
    audit,
    budgets,
    cases,
    consents,
    evidence,
    hub,
    hub_unit,
    invoices,
    jobs,
    members,
    notices,
    orders,
    organisations,
    people,
    pools,
    programmes,
    projects,
    record,
    seal,
    secrets,
    shop,
    tokens,
    upgrade,
    volumes,
    wallet,
    webhooks,
)
from lilong.cli.credentials import choose_hub
from lilong.cli.demo import command as demo
from lilong.cli.output import set_up_logging

MEMBERS, PROVIDERS, OPERATORS = "For members", "For providers", "For operators and auditors"

app = typer.Typer(
    name="lilong",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _add(part: typer.Typer, *, panel: str, name: str | None = None) -> None:
    """Take in the commands of a part; `lilong --help` shows them in this panel."""
    for command in part.registered_commands if name is None else ():
        command.rich_help_panel = panel
    for group in part.registered_groups if name is None else ():
        group.rich_help_panel = panel
    app.add_typer(part, name=name, rich_help_panel=panel)


for _part in (account.app, shop.app, accelerators.app, jobs.app, orders.app):
    _add(_part, panel=MEMBERS)
_add(orders.listing, panel=MEMBERS, name="orders")
_add(wallet.app, panel=MEMBERS, name="wallet")
_add(budgets.app, panel=MEMBERS, name="budgets")
_add(projects.app, panel=MEMBERS, name="projects")
_add(approvals.app, panel=MEMBERS, name="approvals")
_add(invoices.app, panel=MEMBERS, name="invoices")
_add(secrets.app, panel=MEMBERS, name="secrets")
_add(volumes.app, panel=MEMBERS, name="volumes")
_add(tokens.app, panel=MEMBERS, name="tokens")
_add(programmes.app, panel=MEMBERS, name="programmes")
_add(members.app, panel=MEMBERS, name="members")
_add(evidence.app, panel=MEMBERS, name="evidence")
_add(organisations.app, panel=MEMBERS, name="organisations")
_add(consents.app, panel=MEMBERS, name="consents")
_add(cases.app, panel=MEMBERS, name="cases")
_add(notices.app, panel=MEMBERS, name="notices")
_add(webhooks.app, panel=MEMBERS, name="webhooks")
_add(agent.app, panel=PROVIDERS, name="agent")
_add(pools.app, panel=PROVIDERS, name="pools")
_add(demo.app, panel=OPERATORS)
_add(hub.app, panel=OPERATORS)
_add(upgrade.app, panel=OPERATORS)
_add(hub_unit.app, panel=OPERATORS)
_add(people.app, panel=OPERATORS, name="people")
_add(record.app, panel=OPERATORS)
_add(seal.app, panel=OPERATORS, name="seal")
_add(audit.app, panel=OPERATORS, name="audit")


@app.callback()
def begin(
    hub: Annotated[
        str, typer.Option(envvar="LILONG_HUB", metavar="URL", help="Hub to speak to, if not the one in use.")
    ] = "",
) -> None:
    """Shop for computing power, run work on it, pay what was metered."""
    set_up_logging()
    choose_hub(hub)


def main() -> None:
    """Run the command line."""
    app(prog_name="lilong")


if __name__ == "__main__":
    main()
