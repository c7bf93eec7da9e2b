"""Commands about the keys that seal what a hub's database keeps."""

import typer

from lilong.cli.hub import HOME_DEFAULT, Home
from lilong.cli.hub_process import ask_hub, require_home
from lilong.cli.output import (
    AsJson,
    errors_as_exit_codes,
    format_time,
    messages,
    print_json,
    print_next_step,
    print_table,
)
from lilong.common.time import parse_moment

app = typer.Typer(help="Change the key that seals secrets in the database.", no_args_is_help=True)


@app.command("rotate-key")
def rotate_key(home: Home = HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Seal everything anew with a new key; the hub may run. Killed at any moment, it goes on when it is run again."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        done = ask_hub(home, "seal", "rotate-key")
        if as_json:
            print_json(done)
            return
        rows = [
            (each["kind"].replace("_", " "), str(each["resealed"]), str(each["current"]), str(each["closed"]))
            for each in done["kinds"]
        ]
        messages.print(
            "A new key seals from now on." if done["made_key"] else "A rotation that had been cut short is finished."
        )
        columns = ("What", "Sealed anew", "Sealed so already", "Opened by no key")
        print_table(title="Sealed", columns=columns, rows=rows, right=frozenset(columns[1:]))
        print_next_step(
            f"Make a backup, and after {format_time(parse_moment(done['older_may_go_at']))} let the older keys go: "
            f"`lilong seal drop-old-keys --home {home}`."
        )


@app.command("drop-old-keys")
def drop_old_keys(home: Home = HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Forget every key but the first, if nothing in the database is sealed with them any more."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        done = ask_hub(home, "seal", "drop-old-keys")
        if as_json:
            print_json(done)
            return
        messages.print(f"Older keys removed: {done['dropped']}. One key opens everything.")
        if done["dropped"]:
            print_next_step("Backups from before hold their own keys: delete those that need not be kept.")
