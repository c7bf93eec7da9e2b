"""Commands about volumes: folders that outlive runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.job_files import send_working_folder
from lilong.cli.output import (
    AsJson,
    byte_progress,
    format_bytes,
    format_time,
    messages,
    print_json,
    print_next_step,
    print_table,
)
from lilong.common.errors import InputInvalid
from lilong.protocol.manifest import parse_manifest
from lilong.sdk.folders import fetch_folder

app = typer.Typer(help="Folders that outlive runs and that several jobs can mount.", no_args_is_help=True)

GIB = 1024**3
VolumeId = Annotated[str, typer.Argument(help="Id of the volume.")]
FilePath = Annotated[str, typer.Argument(metavar="PATH", help="Path of a file in the volume.")]


class RemovalUnconfirmed(InputInvalid):
    """A file would be gone, and nobody said yes."""

    code = "cli.removal_unconfirmed"
    title = "Nothing was removed"
    next_step = "Add `--yes` where nobody can be asked."


@app.command("list")
def list_volumes(as_json: AsJson = False) -> None:
    """List the organisation's volumes."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.volumes.list())
        if as_json:
            print_json(found)
            return
        rows = [
            (
                volume.id,
                volume.name,
                format_bytes(volume.size_bytes),
                format_bytes(volume.max_bytes),
                format_time(volume.changed_at),
                volume.writer_run_id,
            )
            for volume in found
        ]
        columns = ("Volume", "Name", "Size", "At most", "Changed", "Written by")
        print_table(title="Volumes", columns=columns, rows=rows, right=frozenset({"Size", "At most"}))


@app.command("create")
def create_volume(
    name: Annotated[str, typer.Argument(help="Name within your organisation.")],
    max_gib: Annotated[int, typer.Option(min=1, help="Most that it may hold, in GiB.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Create an empty volume."""
    with hub_session(as_json=as_json) as hub:
        volume = hub.volumes.create(name=name, max_bytes=max_gib * GIB)
        if as_json:
            print_json(volume)
            return
        messages.print(f"{volume.id} is there.")
        print_next_step(
            f"`lilong volumes put {volume.id} FOLDER` fills it; a job mounts it with `volume: {volume.id}`."
        )


@app.command("put")
def put_volume(
    volume_id: VolumeId, folder: Annotated[Path, typer.Argument(help="Folder to send.")], as_json: AsJson = False
) -> None:
    """Make a folder the content of a volume; only what the hub lacks is sent."""
    with hub_session(as_json=as_json) as hub:
        manifest_sha256 = send_working_folder(hub, folder=folder, quiet=as_json)
        volume = hub.volumes.fill(volume_id, manifest_sha256=manifest_sha256)
        if as_json:
            print_json(volume)
        else:
            messages.print(f"{volume.id} holds {format_bytes(volume.size_bytes)} now, version {volume.version}.")


@app.command("get")
def get_volume(
    volume_id: VolumeId, folder: Annotated[Path, typer.Argument(help="New or empty folder.")], as_json: AsJson = False
) -> None:
    """Fetch the content of a volume; every file is checked against its digest."""
    with hub_session(as_json=as_json) as hub:
        volume = hub.volumes.get(volume_id)
        if volume.manifest_sha256:
            with byte_progress(title="Fetching", quiet=as_json) as progress:
                task = progress.add_task("Fetching", total=volume.size_bytes)
                fetch_folder(
                    manifest_sha256=volume.manifest_sha256,
                    target=folder,
                    objects=hub.objects,
                    on_bytes=lambda count: progress.advance(task, count),
                )
        if as_json:
            print_json(volume)
        else:
            messages.print(f"{format_bytes(volume.size_bytes)} in {folder}.")


@app.command("files")
def list_files(volume_id: VolumeId, as_json: AsJson = False) -> None:
    """List the files of a volume by path."""
    with hub_session(as_json=as_json) as hub:
        volume = hub.volumes.get(volume_id)
        files = parse_manifest(hub.objects.read(volume.manifest_sha256)).files if volume.manifest_sha256 else ()
        if as_json:
            print_json(files)
            return
        rows = [(file.path, format_bytes(file.size_bytes), file.sha256[:16]) for file in files]
        columns = ("Path", "Size", "SHA-256")
        print_table(title=f"Files of {volume.name}", columns=columns, rows=rows, right=frozenset({"Size"}))


@app.command("move-file")
def move_file(
    volume_id: VolumeId,
    path: FilePath,
    new_path: Annotated[str, typer.Argument(metavar="NEW_PATH", help="Where it is to be.")],
    as_json: AsJson = False,
) -> None:
    """Give one file of a volume another path; the others stay."""
    with hub_session(as_json=as_json) as hub:
        volume = hub.volumes.move_file(volume_id, path, new_path=new_path)
        if as_json:
            print_json(volume)
        else:
            messages.print(f"{new_path} is where {path} was, version {volume.version}.", markup=False)


@app.command("remove-file")
def remove_file(
    volume_id: VolumeId,
    path: FilePath,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take one file out of a volume; the others stay, and runs that read it keep what they mounted."""
    with hub_session(as_json=as_json) as hub:
        if not yes and (as_json or not sys.stdin.isatty() or not typer.confirm(f"Remove {path}?", err=True)):
            raise RemovalUnconfirmed
        volume = hub.volumes.remove_file(volume_id, path)
        if as_json:
            print_json(volume)
        else:
            messages.print(f"{path} is gone, version {volume.version}.", markup=False)


@app.command("delete")
def delete_volume(volume_id: VolumeId, as_json: AsJson = False) -> None:
    """Delete a volume with its content."""
    with hub_session(as_json=as_json) as hub:
        hub.volumes.delete(volume_id)
        if as_json:
            print_json({"volume_id": volume_id})
        else:
            messages.print(f"{volume_id} is gone.")
