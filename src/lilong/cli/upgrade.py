"""The command `upgrade`: a hub from the tables of an earlier version to those of this one.

Each step is a process of the hub. Whichever is killed, the command is given again: it takes another backup, of what
there is then, and makes the steps that are left.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong import __version__
from lilong.cli.hub import HOME_DEFAULT, Home
from lilong.cli.hub_process import Document, ask_hub, require_home
from lilong.cli.output import (
    EXIT_UNEXPECTED,
    AsJson,
    errors_as_exit_codes,
    messages,
    print_finding,
    print_json,
    print_next_step,
)
from lilong.common.errors import InputInvalid
from lilong.common.time import format_moment, utc_now

app = typer.Typer()

BACKUPS = "backups"


class BackupUndecided(InputInvalid):
    """The command was told both where the backup goes and that there shall be none."""

    code = "upgrade.backup_undecided"
    title = "Shall there be a backup or not?"
    next_step = "Give either `--backup FILE` or `--without-backup`."


@app.command()
def upgrade(
    *,
    home: Home = HOME_DEFAULT,
    backup: Annotated[
        Path | None, typer.Option("--backup", help="File to back up to first; else one in `backups` of the home.")
    ] = None,
    without_backup: Annotated[
        bool, typer.Option("--without-backup", help="Take none: there is one of this very state.")
    ] = False,
    without_objects: Annotated[
        bool, typer.Option("--without-objects", help="Leave objects out of the backup: no upgrade changes them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a hub of an earlier version up to this one: stop it first. Takes a backup, and verifies books and record.

    Killed anywhere, it is given again. Exit code 1 when what came out needs you: the lines before say what to do.
    """

    def tell(sentence: str) -> None:
        if not as_json:
            messages.print(escape(sentence), soft_wrap=True)

    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        if backup is not None and without_backup:
            raise BackupUndecided
        missing = ask_hub(home, "upgrade", "look")["missing"]
        archive = None
        if missing:
            rooms = ", ".join(sorted({step.partition(".")[0] for step in missing}))
            tell(f"Lilong {__version__} needs {len(missing)} steps that this hub lacks, in {rooms}.")
            if without_backup:
                tell("No backup is taken, as you said.")
            else:
                archive = backup or _choose_archive(home)
                written = ask_hub(
                    home, "backup", str(archive.resolve()), *(["--without-objects"] if without_objects else [])
                )
                tell(f"A backup of before, {written['files']} files, is in {archive}.")
                if written["objects_missing"]:
                    tell(f"{written['objects_missing']} objects that organisations hold are not in the storage.")
            ask_hub(home, "upgrade", "migrate")
            tell(f"{len(missing)} steps were made: the tables are those of Lilong {__version__}.")
        else:
            tell(f"The tables are those of Lilong {__version__} already: nothing is changed.")
        examined = ask_hub(home, "upgrade", "examine")
        if as_json:
            document = {"home": str(home.resolve()), "version": __version__, "made": missing}
            print_json({**document, "backup": archive and str(archive.resolve()), **examined})
        else:
            _print_examined(examined, home=home)
        if not examined["ok"]:
            raise typer.Exit(EXIT_UNEXPECTED)


def _choose_archive(home: Path) -> Path:
    """Return a name for the backup in the home, and delete what one that was killed has left there."""
    folder = home / BACKUPS
    folder.mkdir(mode=0o700, exist_ok=True)
    for left in folder.glob(".upgrade-*"):
        left.unlink(missing_ok=True)
    return folder / f"upgrade-{format_moment(utc_now()).replace(':', '')}.tar"


def _print_examined(examined: Document, *, home: Path) -> None:
    for finding in examined["findings"]:
        print_finding(**finding)
    start = f"`lilong serve --home {home}`, or `systemctl start lilong-web lilong-worker`"
    if examined["ok"]:
        print_next_step(f"Start the hub: {start}. Agents go on by themselves.")
    else:
        print_next_step(f"Mend what is refused and run this again. Start the hub when nothing is: {start}.")
