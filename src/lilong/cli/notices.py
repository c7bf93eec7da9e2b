"""Commands about notices: what the hub tells you, and what of it comes by mail."""

from enum import StrEnum
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, format_time, messages, print_json, print_next_step, print_table

app = typer.Typer(help="What the hub tells you, and what of it comes by mail.", no_args_is_help=True)


class Wish(StrEnum):
    """Whether mail is wanted."""

    YES = "yes"
    NO = "no"


class LanguageChoice(StrEnum):
    """A language that the hub writes in."""

    EN = "en"
    ZH_HANS = "zh-hans"


@app.command("list")
def list_notices(
    unread: Annotated[bool, typer.Option("--unread", help="Only what you have not read.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what the hub told you, newest first."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.notices.list(shown="unread" if unread else "all"))
        if as_json:
            print_json(found)
            return
        rows = [
            ("" if notice.read_at else "new", format_time(notice.posted_at), notice.title, notice.text)
            for notice in found
        ]
        print_table(title="Notices", columns=("", "When", "What", "More"), rows=rows, right=frozenset())


@app.command("read")
def read_notices(
    notice_id: Annotated[str, typer.Argument(help="Id of a notice; leave it out for all.")] = "",
    as_json: AsJson = False,
) -> None:
    """Note that you have read a notice, or all of them."""
    with hub_session(as_json=as_json) as hub:
        if notice_id:
            hub.notices.mark_read(notice_id)
        else:
            hub.notices.mark_all_read()
        if as_json:
            print_json({"notice_id": notice_id or None})
        else:
            messages.print("Noted.")


@app.command("preferences")
def show_preferences(as_json: AsJson = False) -> None:
    """Show every kind of notice and whether it comes by mail."""
    with hub_session(as_json=as_json) as hub:
        found = hub.notices.preferences()
        if as_json:
            print_json(found)
            return
        rows = [(kind.kind, kind.title, "yes" if kind.by_mail else "no") for kind in found.kinds]
        print_table(title="Notices", columns=("Kind", "What", "By mail"), rows=rows, right=frozenset())
        print_next_step("`lilong notices mail KIND yes` or `no` changes it, `lilong notices language` the language.")


@app.command("mail")
def choose_mail(
    kind: Annotated[str, typer.Argument(help="Kind of notice.")],
    wanted: Annotated[Wish, typer.Argument(help="Whether it comes by mail.")],
    as_json: AsJson = False,
) -> None:
    """Choose whether a kind of notice comes by mail."""
    with hub_session(as_json=as_json) as hub:
        hub.notices.choose_mail(kind, by_mail=wanted)
        if as_json:
            print_json({"kind": kind, "by_mail": wanted})
        else:
            messages.print(f"{kind} {'comes' if wanted is Wish.YES else 'does not come'} by mail.")


@app.command("language")
def choose_language(
    language: Annotated[LanguageChoice, typer.Argument(help="The language.")], as_json: AsJson = False
) -> None:
    """Choose the language in which the hub writes to you."""
    with hub_session(as_json=as_json) as hub:
        hub.notices.choose_language(language)
        if as_json:
            print_json({"language": language})
        else:
            messages.print(f"The hub writes to you in {language}.")
