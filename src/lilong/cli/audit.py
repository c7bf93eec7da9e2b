"""The command `audit`: for operators making packs of closed periods, for auditors checking one without the hub."""

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.credentials import hub_session
from lilong.cli.output import (
    EXIT_UNEXPECTED,
    AsJson,
    errors_as_exit_codes,
    format_time,
    messages,
    print_json,
    print_next_step,
    print_table,
)
from lilong.cli.wallet import PaperNotWritten
from lilong.common.errors import InputInvalid
from lilong.protocol.checkpoint import parse_verifier_key
from lilong.protocol.evidence import KeyRing, read_key_ring
from lilong.sdk.audit_checks import PackCheck, check_pack

app = typer.Typer(no_args_is_help=True, help="Closed periods as signed files for auditors.")
LOOK_EVERY_S = 1.0
READY = "ready"


class KeysMissing(InputInvalid):
    """A check without keys from elsewhere would prove nothing."""

    code = "cli.audit_keys_missing"
    title = "A pack is checked by keys that did not come with it"
    next_step = "Give --keys FILE, or --log-key LINE of a hub that has no witnesses; `lilong record keys` prints both."


@app.command()
def make(
    begins_on: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, of UTC.")],
    ends_on: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="Day after the last.")],
    as_json: AsJson = False,
) -> None:
    """Ask for the pack of a closed period; for operators. The same period gives the same bytes."""
    with hub_session(as_json=as_json) as hub:
        pack = hub.audit_packs.request(begins_on=begins_on.date(), ends_on=ends_on.date())
        if as_json:
            print_json(pack)
            return
        typer.echo(pack.id)
        print_next_step(f"`lilong audit download {pack.id} FILE` waits for it.")


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Show the packs that were asked for, newest first; for operators."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.audit_packs.list())
        if as_json:
            print_json({"packs": found})
            return
        rows = [
            (
                each.id,
                f"{each.begins_on} – {each.ends_on}",
                format_time(each.requested_at),
                each.problem or each.state,
                str(each.size_bytes or ""),
            )
            for each in found
        ]
        columns = ("Pack", "Period", "Asked for", "State", "Bytes")
        print_table(title="Audit packs", columns=columns, rows=rows, right=frozenset({"Bytes"}))


@app.command()
def download(
    pack_id: Annotated[str, typer.Argument(help="Id of the pack.")],
    file: Annotated[Path, typer.Argument(help="Zip to write; one of this name is replaced.")],
    as_json: AsJson = False,
) -> None:
    """Wait until a pack is ready, and write it; for operators."""
    with hub_session(as_json=as_json) as hub:
        told = ""
        while (pack := hub.audit_packs.get(pack_id)).state != READY:
            if pack.problem and pack.problem != told:
                told = pack.problem
                messages.print(escape(f"Is tried again: {told}"))
            time.sleep(LOOK_EVERY_S)
        try:
            hub.audit_packs.download(pack, target=file)
        except OSError as error:
            raise PaperNotWritten(detail=f"{file}: {error.strerror}.") from error
        if as_json:
            print_json({"file": str(file), "sha256": pack.sha256, "size_bytes": pack.size_bytes})
            return
        messages.print(f"{pack.size_bytes} bytes are in {escape(str(file))}.")
        print_next_step(f"`lilong audit verify {file} --keys FILE` checks it without the hub.")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The pack.")],
    keys: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Keys file, from elsewhere than the hub.")
    ] = None,
    log_key: Annotated[str, typer.Option(help="The log's key in one line, for a hub without witnesses.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a pack without the hub: signature, digests, proofs, and that its files agree. Ends with 1 for a problem."""
    with errors_as_exit_codes(as_json=as_json):
        found = check_pack(file=file, ring=_read_keys(keys, log_key))
        if as_json:
            print_json({name: getattr(found, name) for name in found.__slots__})
        else:
            _print_check(found)
        if found.problems:
            raise typer.Exit(EXIT_UNEXPECTED)


def _read_keys(keys: Path | None, log_key: str) -> KeyRing:
    if keys is not None:
        return read_key_ring(keys.read_bytes())
    if not log_key:
        raise KeysMissing
    return KeyRing(logs=(parse_verifier_key(log_key),), witnesses=(), required=0)


def _print_check(found: PackCheck) -> None:
    messages.print(
        escape(
            f"{found.hub}, {found.begins_on} until {found.ends_on}: {found.files} files, {found.transfers} transfers, "
            f"{sum(found.kinds.values())} entries proven ({found.erased} erased), heads signed by "
            f"{', '.join(found.signers) or 'nobody'}: {len(found.problems) or 'no'} problems."
        )
    )
    for problem in found.problems:
        messages.print(f"[red]{escape(problem)}[/red]", soft_wrap=True)
    if found.problems:
        print_next_step("Trust nothing in it; ask the hub for the pack again, and show the witnesses what differs.")
