"""Commands about webhooks: endpoints to which the hub sends an organisation's notices."""

from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, format_time, messages, print_fields, print_json, print_next_step, print_table
from lilong.sdk.webhooks import Webhook, WebhookDelivery, WebhookSecret

app = typer.Typer(help="Send your organisation's notices to a program of yours.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="Id of the webhook.")]


@app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List the webhooks of your organisation."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.webhooks.list())
        if as_json:
            print_json(found)
            return
        rows = [(each.id, each.url, ", ".join(each.kinds), _say_state(each)) for each in found]
        print_table(title="Webhooks", columns=("Webhook", "Address", "Kinds", "State"), rows=rows, right=frozenset())


@app.command("register")
def register_webhook(
    url: Annotated[str, typer.Argument(help="An https address.")],
    kind: Annotated[list[str], typer.Option(help="A kind of notice; give it once for each.")],
    as_json: AsJson = False,
) -> None:
    """Send notices of these kinds to an address, and show the secret that signs them this once."""
    with hub_session(as_json=as_json) as hub:
        _show_secret(hub.webhooks.register(url=url, kinds=kind), as_json=as_json)


@app.command("rotate")
def rotate_secret(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Make a new secret; the one before also signs for a day."""
    with hub_session(as_json=as_json) as hub:
        _show_secret(hub.webhooks.rotate_secret(webhook_id), as_json=as_json)


@app.command("enable")
def enable_webhook(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Switch a webhook on again."""
    with hub_session(as_json=as_json) as hub:
        hub.webhooks.enable(webhook_id)
        _confirm(webhook_id, "is on.", as_json=as_json)


@app.command("delete")
def delete_webhook(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Send nothing to a webhook any more."""
    with hub_session(as_json=as_json) as hub:
        hub.webhooks.delete(webhook_id)
        _confirm(webhook_id, "is gone.", as_json=as_json)


@app.command("test")
def send_test(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Deliver a notice that tells nothing, to see whether the endpoint takes it."""
    with hub_session(as_json=as_json) as hub:
        sent = hub.webhooks.send_test(webhook_id)
        if as_json:
            print_json(sent)
            return
        messages.print(f"{sent.delivery_id} is on its way.")
        print_next_step(f"`lilong webhooks deliveries {webhook_id}` shows what the endpoint answered.")


@app.command("deliveries")
def list_deliveries(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """List what was sent to a webhook, with the last answer."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.webhooks.list_deliveries(webhook_id))
        if as_json:
            print_json(found)
            return
        rows = [
            (
                each.id,
                each.kind,
                format_time(each.made_at),
                len(each.tries),
                _say_answer(each),
                format_time(each.next_at),
            )
            for each in found
        ]
        columns = ("Delivery", "Kind", "Since", "Tries", "Last answer", "Next try")
        print_table(title="Deliveries", columns=columns, rows=rows, right=frozenset({"Tries"}))


@app.command("again")
def send_again(
    webhook_id: WebhookId,
    delivery_id: Annotated[str, typer.Argument(help="Id of the delivery.")],
    as_json: AsJson = False,
) -> None:
    """Send a delivery once more, under the same id."""
    with hub_session(as_json=as_json) as hub:
        hub.webhooks.send_again(webhook_id, delivery_id)
        _confirm(delivery_id, "is sent again.", as_json=as_json)


def _show_secret(made: WebhookSecret, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    print_fields({"Webhook": made.webhook_id, "Secret": made.secret})
    print_next_step("Keep it now: it is not shown again. Check the signature of all that you receive with it.")


def _confirm(name: str, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": name})
    else:
        messages.print(f"{name} {what}")


def _say_state(webhook: Webhook) -> str:
    if webhook.disabled_at:
        return f"off since {format_time(webhook.disabled_at)}: {webhook.disabled_because}"
    return f"failing since {format_time(webhook.failing_since)}" if webhook.failing_since else "on"


def _say_answer(delivery: WebhookDelivery) -> str:
    if not delivery.tries:
        return "–"
    last = delivery.tries[-1]
    return " ".join(filter(None, (str(last.status or ""), last.problem)))
