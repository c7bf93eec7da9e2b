"""Commands about the documents that an organisation shows."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, byte_progress, messages, print_json, print_next_step, print_table
from lilong.sdk.evidence import Document

app = typer.Typer(
    help="Documents that your organisation gives once and shows wherever one is asked for.", no_args_is_help=True
)

EvidenceId = Annotated[str, typer.Argument(help="Id of the document.")]
CaseId = Annotated[str, typer.Argument(help="Id of an open case about the organisation.")]


@app.command("kinds")
def list_kinds(as_json: AsJson = False) -> None:
    """List the kinds of documents."""
    with hub_session(as_json=as_json) as hub:
        found = hub.evidence.list_kinds()
        if as_json:
            print_json(found)
            return
        rows = [(kind.code, kind.name_en, kind.name_zh, "yes" if kind.expires else "no") for kind in found]
        columns = ("Kind", "Name", "名称", "Expires")
        print_table(title="Kinds of documents", columns=columns, rows=rows, right=frozenset())


@app.command("list")
def list_documents(
    expiring: Annotated[int, typer.Option(help="Only those that expire within so many days.", min=0, max=366)] = 0,
    as_json: AsJson = False,
) -> None:
    """List the documents of your organisation."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.evidence.list_expiring(within_days=expiring) if expiring else hub.evidence.list())
        _show(found, as_json=as_json)


@app.command("give")
def give_document(
    file: Annotated[Path, typer.Argument(help="The document.")],
    kind: Annotated[str, typer.Option(help="One of `lilong evidence kinds`.")],
    *,
    title: Annotated[str, typer.Option(help="What it is called; left out: the file's name.")] = "",
    issued_on: Annotated[
        datetime, typer.Option("--issued", formats=["%Y-%m-%d"], help="Day of issue, such as 2026-03-01.")
    ],
    expires_on: Annotated[
        datetime | None, typer.Option("--expires", formats=["%Y-%m-%d"], help="First day on which it is not good.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Upload a document and put it into the wallet of your organisation."""
    with hub_session(as_json=as_json) as hub:
        with byte_progress(title="Uploading", quiet=as_json) as progress:
            task = progress.add_task(file.name, total=file.stat().st_size)
            sha256 = hub.objects.upload_file(file, on_bytes=lambda count: progress.advance(task, count))
        given = hub.evidence.give(
            kind=kind,
            title=title or file.name,
            sha256=sha256,
            issued_on=issued_on.date(),
            expires_on=expires_on.date() if expires_on else None,
        )
        if as_json:
            print_json(given)
            return
        messages.print(f"{given.id}: {given.title}, good until {given.expires_on or 'it is withdrawn'}.")
        print_next_step("Name it by this id where a document is asked for; `lilong evidence list` shows its state.")


@app.command("withdraw")
def withdraw_document(evidence_id: EvidenceId, as_json: AsJson = False) -> None:
    """Take a document back; what was decided with it stays decided."""
    with hub_session(as_json=as_json) as hub:
        hub.evidence.withdraw(evidence_id)
        if as_json:
            print_json({"evidence_id": evidence_id})
        else:
            messages.print(f"{evidence_id} is withdrawn.")


@app.command("of-case")
def list_of_case(case_id: CaseId, as_json: AsJson = False) -> None:
    """List what the organisation shows that an open case is about. For operators who decide it."""
    with hub_session(as_json=as_json) as hub:
        _show(list(hub.evidence.list_of_case(case_id)), as_json=as_json)


@app.command("read")
def read_document(
    case_id: CaseId,
    evidence_id: EvidenceId,
    file: Annotated[Path, typer.Argument(help="Where to write it; it must not exist.")],
    as_json: AsJson = False,
) -> None:
    """Download such a document; the record says who read it. For operators who decide the case."""
    with hub_session(as_json=as_json) as hub:
        with file.open("xb") as target:
            try:
                for chunk in hub.evidence.read_of_case(case_id, evidence_id):
                    target.write(chunk)
            except BaseException:
                file.unlink()
                raise
        if as_json:
            print_json({"file": str(file)})
        else:
            messages.print(f"Wrote {file}.")


@app.command("verify")
def verify_document(
    case_id: CaseId,
    evidence_id: EvidenceId,
    reason: Annotated[str, typer.Option(help="How it was found to be good; it stands in the record.")],
    as_json: AsJson = False,
) -> None:
    """Note that such a document is good. For operators who decide the case."""
    with hub_session(as_json=as_json) as hub:
        verified = hub.evidence.verify(case_id, evidence_id, reason=reason)
        if as_json:
            print_json(verified)
        else:
            messages.print(f"{verified.id} is {verified.state}.")


def _show(found: list[Document], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [(each.id, each.kind, each.title, each.issued_on, each.expires_on or "–", each.state) for each in found]
    columns = ("Document", "Kind", "Title", "Issued", "Expires", "State")
    print_table(title="Documents", columns=columns, rows=rows, right=frozenset())
