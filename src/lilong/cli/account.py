"""Commands around signing in: login, logout, whoami."""

import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.credentials import (
    HubUnchosen,
    SignedIn,
    find_chosen_hub,
    hub_session,
    load_credentials,
    save_credentials,
)
from lilong.cli.output import AsJson, errors_as_exit_codes, messages, print_fields, print_json, print_next_step
from lilong.common.errors import InputInvalid, NotAllowed, NotSignedIn
from lilong.common.time import utc_now
from lilong.sdk.client import Lilong
from lilong.sdk.devices import DeviceSignIn
from lilong.sdk.organisations import StandingPeriod

app = typer.Typer()

ONE_TIME_PREFIX = "lilonce_"


class TokenMissing(InputInvalid):
    """Nothing was typed or piped."""

    code = "cli.token_missing"
    title = "No token was given"
    next_step = (
        "Paste it where `lilong login URL --token` asks for it, or pipe it: `lilong login URL < FILE`. "
        "In a terminal `lilong login URL` needs none."
    )


@app.command()
def login(
    url: Annotated[str, typer.Argument(help="Address of the hub, such as https://hub.example.")],
    token: Annotated[bool, typer.Option("--token", help="Ask for a token, without echo, and for no browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign in to a hub by a code that you approve in a browser, anywhere. Commands speak to this hub from now on.

    With --token, or where something is piped in, a token is read instead; a one-time token is exchanged for one.
    """
    with errors_as_exit_codes(as_json=as_json):
        address = url.rstrip("/")
        secret = _read_token(address) if token or not sys.stdin.isatty() else _sign_in_by_browser(address)
        with Lilong(url=address, token=secret) as hub:
            me = hub.organisations.get_me()
        signed_in = SignedIn(token=secret, organisation=me.organisation.name, person=me.name)
        save_credentials(load_credentials().sign_in(address, signed_in))
        if as_json:
            print_json({"hub": address, **me.model_dump(mode="json")})
            return
        messages.print(f"Signed in to {address} as {me.name}, {me.role} of {me.organisation.name}.")
        print_next_step("`lilong shop` shows what there is, `lilong check FILE` reads a job.")


@app.command()
def logout(as_json: AsJson = False) -> None:
    """Forget the token of the hub in use, or of `lilong --hub URL logout`, and end it at the hub where it may."""
    with errors_as_exit_codes(as_json=as_json):
        credentials = load_credentials()
        url = find_chosen_hub() or credentials.current
        if url not in credentials.hubs:
            raise HubUnchosen
        with suppress(NotAllowed, NotSignedIn), Lilong(url=url, token=credentials.hubs[url].token) as hub:
            hub.tokens.revoke(hub.organisations.get_me().token_id)
        rest = credentials.sign_out(url)
        save_credentials(rest)
        if as_json:
            print_json({"signed_out": url, "hub": rest.current})
            return
        messages.print(f"Signed out of {url}." + (f" In use now: {rest.current}." if rest.current else ""))


@app.command()
def whoami(as_json: AsJson = False) -> None:
    """Show which hub is in use, and who acts there."""
    with hub_session(as_json=as_json) as hub:
        me = hub.organisations.get_me()
        url = find_chosen_hub() or load_credentials().current
        if as_json:
            print_json({"hub": url, **me.model_dump(mode="json")})
            return
        print_fields(
            {
                "Hub": url,
                "Person": f"{me.name} <{me.email}>",
                "Organisation": f"{me.organisation.name} ({me.organisation.state})",
                "Standing": list_standings(me.organisation.standings, day=utc_now().date()),
                "Role": me.role,
                "Token may": ", ".join(me.scopes),
            }
        )


def list_standings(standings: Sequence[StandingPeriod], *, day: date) -> str:
    """Return in one line what an organisation is on this day, and what it was or will be; a dash for nothing.

    >>> list_standings([StandingPeriod(kind="virtual", starts_on=date(2026, 1, 1))], day=date(2026, 3, 1))
    'virtual since 2026-01-01'
    """
    return ", ".join(_say_standing(each, day) for each in standings) or "–"


def _say_standing(standing: StandingPeriod, day: date) -> str:
    if standing.starts_on > day:
        return f"{standing.kind} from {standing.starts_on}"
    if standing.ends_on is None:
        return f"{standing.kind} since {standing.starts_on}"
    return f"{standing.kind} until {standing.ends_on}" + ("" if day < standing.ends_on else " (ended)")


def _read_token(address: str) -> str:
    """Return the token that is typed or piped in, or the one that a one-time token is exchanged for."""
    if sys.stdin.isatty():
        given = str(typer.prompt("Token", hide_input=True, err=True)).strip()
    else:
        given = sys.stdin.readline().strip()
    if not given:
        raise TokenMissing
    if not given.startswith(ONE_TIME_PREFIX):
        return given
    with Lilong(url=address) as hub:
        return hub.tokens.exchange(token=given, name=_name_this_machine()).secret


def _sign_in_by_browser(address: str) -> str:
    """Show a code, wait until a person approved it in a browser, and return the token that comes of it."""
    with DeviceSignIn.at(address) as device:
        code = device.begin()
        messages.print(f"Open {escape(code.verification_uri)} in a browser, here or elsewhere, and type this code:")
        messages.print(f"    [bold]{escape(code.user_code)}[/bold]")
        minutes = code.expires_in // 60
        messages.print(f"Waiting for you to approve it there, for {minutes} minutes at most. Ctrl-C stops.")
        granted = device.wait(code)
    with Lilong(url=address) as hub:
        return hub.tokens.exchange_grant(access_token=granted, name=_name_this_machine()).secret


def _name_this_machine() -> str:
    return f"lilong on {platform.node()}"[:120]
