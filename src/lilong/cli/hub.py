"""Operator commands: each starts the hub's own process for it, none imports the hub."""

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.hub_process import ask_hub, make_home, require_home
from lilong.cli.output import (
    EXIT_UNEXPECTED,
    AsJson,
    errors_as_exit_codes,
    format_time,
    messages,
    print_finding,
    print_json,
    print_json_line,
    print_next_step,
    print_table,
    screen,
)
from lilong.cli.supervisor import WEB, WORKER, Ended, hub_environment, serve_until_signalled
from lilong.common.time import parse_moment

app = typer.Typer(help="For operators of a hub.")
ledger = typer.Typer(help="Check and export the books.", no_args_is_help=True)
app.add_typer(ledger, name="ledger")

Home = Annotated[Path, typer.Option("--home", envvar="LILONG_HOME", help="Folder of the hub's database and keys.")]
HOME_DEFAULT = Path("lilong-home")
AsJsonLines = Annotated[bool, typer.Option("--json", help="Print one line of JSON for each thing that happens.")]


@app.command()
def init(
    email: Annotated[str, typer.Option(help="Address of the first operator.")] = "operator@localhost",
    home: Home = HOME_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make a hub in a folder, and print an operator's one-time token; on one that is made, print another token."""
    with errors_as_exit_codes(as_json=as_json):
        make_home(home)
        made = ask_hub(home, "init", "--email", email)
        if as_json:
            print_json({"home": str(home.resolve()), **made})
            return
        messages.print(f"The hub in {escape(str(home))} is ready. {email} signs in with this token, once:")
        screen.print(made["one_time_token"], soft_wrap=True)
        print_next_step(
            f"`lilong serve --home {home}`, then in another shell `lilong login {made['public_url']} --token`, or open "
            f"{made['public_url']}/account/first-sign-in/ and set a password with it. "
            f"It is good until {format_time(parse_moment(made['expires_at']))}; another `lilong init` makes another."
        )


@app.command()
def serve(home: Home = HOME_DEFAULT, as_json: AsJsonLines = False) -> None:
    """Run web, worker and, once it has joined, the embedded agent until Ctrl-C or TERM; then ends with 0."""

    def tell(event: str, sentence: str, **facts: object) -> None:
        if as_json:
            print_json_line({"event": event, **facts})
        else:
            messages.print(escape(sentence))

    def tell_end(ended: Ended) -> None:
        again = f"{ended.name} ended with {ended.exit_code} and starts again in {ended.again_in_s:g} s"
        tell("process_ended", f"{again}; see {home / 'run' / ended.name}.log.", **asdict(ended))

    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        hub = ask_hub(home, "describe")
        url, bind = hub["public_url"], hub["bind"]
        if _is_taken(bind):
            sentence = f"Another program listens on {bind}: stop it, or set `bind` in {home / 'settings.toml'}."
            tell("address_taken", sentence, bind=bind)
        sentence = f"Open {url} in a browser. The hub is in {home}, its logs in {home / 'run'}. Stop it with Ctrl-C."
        tell("starting", sentence, home=str(home.resolve()), public_url=url)
        serve_until_signalled(home=home, tell=tell_end)
        tell("stopped", "The hub has stopped. Jobs that run go on; the next `lilong serve` finds them.")


@app.command()
def web(home: Home = HOME_DEFAULT) -> None:
    """Run one web process by itself, for hubs whose processes are started elsewhere. Its log is lines of JSON."""
    _become(WEB, home=home)


@app.command()
def worker(home: Home = HOME_DEFAULT) -> None:
    """Run one worker by itself, for hubs whose processes are started elsewhere. Its log is lines of JSON."""
    _become(WORKER, home=home)


@app.command()
def backup(
    archive: Annotated[Path, typer.Argument(help="File to write; there must be none of this name.")],
    home: Home = HOME_DEFAULT,
    without_objects: Annotated[bool, typer.Option("--without-objects", help="Leave them where they are.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write database, objects and keys of a running hub into one archive, wherever they lie."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        options = ["--without-objects"] if without_objects else []
        written = ask_hub(home, "backup", str(archive.resolve()), *options)
        if as_json:
            print_json(written)
            return
        messages.print(f"{written['files']} files in {escape(str(archive))}.")
        _warn_of_missing(written["objects_missing"])
        print_next_step("Keep it like the hub's private keys, which it holds. `lilong restore` makes a hub from it.")


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="File that `lilong backup` wrote.")],
    home: Home = HOME_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make a hub from a backup in an empty folder; pay-outs stay frozen until statements are matched."""
    with errors_as_exit_codes(as_json=as_json):
        make_home(home)
        restored = ask_hub(home, "restore", str(archive.resolve()))
        if as_json:
            print_json({"home": str(home.resolve()), **restored})
            return
        messages.print(
            f"Restored {restored['files']} files. {restored['agents_to_report']} agents have to report anew; "
            f"the record goes on as log {restored['record_log']}. Jobs of orders that the backup does not know of are "
            "stopped, not charged, and listed at /api/v1/unknown-attempts."
        )
        _warn_of_missing(restored["objects_missing"])
        print_next_step(
            f"`lilong serve --home {home}`. Pay-outs are frozen until statements are matched: then "
            f"`lilong record end-restore REASON --home {home}`."
        )


@app.command()
def doctor(home: Home = HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Look at all that the hub needs and say how to mend what is wrong. Changes nothing.

    Exit code 1 when something keeps it from its work or endangers its books or secrets.
    """
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        report = ask_hub(home, "doctor")
        if as_json:
            print_json(report)
        else:
            for finding in report["findings"]:
                print_finding(**finding)
            screen.print("This hub is well." if report["ok"] else "This hub needs you: begin with what is refused.")
        if not report["ok"]:
            raise typer.Exit(EXIT_UNEXPECTED)


@ledger.command("verify")
def ledger_verify(home: Home = HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Recompute every balance from the transfers and name each difference. Ends with 1 when there is one."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        report = ask_hub(home, "ledger_verify")
        differences = [tuple(difference.values()) for difference in report["differences"]]
        if as_json:
            print_json(report)
        else:
            messages.print(f"{report['accounts']} accounts and {report['transfers']} transfers recomputed.")
            columns = ("Where", "Stored", "Recomputed")
            print_table(title="Differences", columns=columns, rows=differences, right=frozenset())
        if differences:
            if not as_json:
                print_next_step("Stop paying out and restore a backup.")
            raise typer.Exit(EXIT_UNEXPECTED)


@ledger.command("export")
def ledger_export(
    file: Annotated[Path, typer.Argument(help="File to write; one of this name is replaced.")],
    home: Home = HOME_DEFAULT,
    since: Annotated[str, typer.Option(help="A day such as 2026-01-01; the first one if left out.")] = "",
    until: Annotated[str, typer.Option(help="A moment such as 2026-03-01T00:00:00Z; now if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the hub's books as a Beancount file: all that counts from `since` on and before `until`, or before now."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        written = ask_hub(home, "ledger_export", str(file.resolve()), *_period(since, until))
        if as_json:
            print_json(written)
            return
        messages.print(f"The books until {written['until']} are in {escape(str(file))}.")
        print_next_step(f"`bean-check {file}` recomputes them.")


def _period(since: str, until: str) -> list[str]:
    return [*(["--since", since] if since else []), *(["--until", until] if until else [])]


def _become(arguments: Sequence[str], *, home: Path) -> None:
    """Let a process of the hub take the place of this one, once it is known that it can start."""
    with errors_as_exit_codes(as_json=False):
        require_home(home)
        ask_hub(home, "describe")
    os.execve(sys.executable, [sys.executable, *arguments], hub_environment(home=home))  # noqa: S606 - our own


def _warn_of_missing(count: int) -> None:
    if count:
        messages.print(f"[yellow]{count} objects that organisations hold are not in the storage.[/yellow]")


def _is_taken(bind: str) -> bool:
    """Say whether another program listens on HOST:PORT; other forms of address are not looked at."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal():
        return False
    with suppress(OSError), closing(socket.create_connection((host.strip("[]"), int(port)), timeout=1)):
        return True
    return False
