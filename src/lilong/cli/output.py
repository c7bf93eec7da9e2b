"""How the command line speaks: tables and sentences for people, JSON for machines, one exit code per kind of error."""

import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, NoReturn

import httpx
import stamina
import structlog
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from lilong.common.errors import (
    Conflict,
    InputInvalid,
    LilongError,
    LimitReached,
    NotAllowed,
    NotFound,
    NotSignedIn,
    render_problem,
)
from lilong.common.money import format_credits

KIB = 1024
WIDTH_ELSEWHERE = 200
EXIT_UNEXPECTED = 1
EXIT_RUN_FAILED = 8
EXIT_TRY_LATER = 75
EXIT_SIGNALLED = 128
EXIT_CODES: Mapping[type[LilongError], int] = {
    InputInvalid: 3,
    NotSignedIn: 4,
    NotAllowed: 4,
    NotFound: 5,
    Conflict: 6,
    LimitReached: 7,
}

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]

# A pipe or a file has no width of its own: lines are for programs there, and are not folded after 80 characters.
screen = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE)
messages = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH_ELSEWHERE)


class HubUnreachable(LilongError):
    """The hub did not answer at all."""

    code = "hub.unreachable"
    title = "The hub does not answer"
    status = 503
    next_step = "Check the address with `lilong login`, and that the hub runs (`lilong serve`)."
    retryable = True


class FileRefused(InputInvalid):
    """The system does not let this command use a file or folder."""

    code = "cli.file_refused"
    title = "A file or folder cannot be used"
    next_step = "Name another one, or make room and let your user read and write there."


class Interrupted(LilongError):
    """Ctrl-C, or another signal that ends a command."""

    code = "cli.interrupted"
    title = "Interrupted"
    next_step = "What runs on the hub goes on: see `lilong runs`."


class Signalled(KeyboardInterrupt):
    """A signal ends the command as Ctrl-C does; `number` is which."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def set_up_logging() -> None:
    """Send log lines to standard error, and show on a terminal that a call is tried again."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    stamina.instrumentation.set_on_retry_hooks([_show_retry])


def _show_retry(details: stamina.instrumentation.RetryDetails) -> None:
    if messages.is_terminal:
        error = details.caused_by
        reason = error.title if isinstance(error, LilongError) else HubUnreachable.title
        messages.print(f"[dim]{escape(reason)}; asking again in {details.wait_for:.0f} s[/dim]")


def print_json(value: object) -> None:
    """Print `value` as one JSON document on standard output; pydantic models by their fields."""
    print(json.dumps(_plain(value), ensure_ascii=False, indent=2))  # noqa: T201 - this is the output


def print_json_line(value: object) -> None:
    """Print `value` as one line of JSON at once: for commands that go on."""
    print(json.dumps(_plain(value), ensure_ascii=False), flush=True)  # noqa: T201 - this is the output


def print_table(*, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], right: frozenset[str]) -> None:
    """Print rows under `columns`; those named in `right` hold numbers. Says so when there is nothing."""
    if not rows:
        screen.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    screen.print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values under each other."""
    table = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        table.add_row(f"[dim]{escape(name)}[/dim]", escape(str(value)))
    screen.print(table)


def format_time(moment: datetime | None) -> str:
    """Return a moment as a person here reads it, to the minute; a dash for none."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else "–"


def credits_text(amount_uc: int | None) -> str:
    """Return an amount with its unit and all decimals, so that those below each other compare; a dash for none.

    >>> credits_text(2_500_000)
    '2.500000 credits'
    """
    if amount_uc is None:
        return "–"
    whole, decimals = format_credits(amount_uc).split(".")
    return f"{whole}.{decimals:0<6} credits"


def format_bytes(count: int) -> str:
    """Return a size in the largest binary unit that keeps it above one.

    >>> format_bytes(1536), format_bytes(7)
    ('1.5 KiB', '7 B')
    """
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < KIB:
            break
        size, unit = size / KIB, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def print_finding(*, verdict: str, name: str, message: str) -> None:
    """Print one thing that was looked at: how bad it is (`refused`, `warning`, or it is fine), its name, a sentence."""
    style = {"refused": "bold red", "warning": "yellow"}.get(verdict, "green")
    screen.print(f"[{style}]{escape(verdict)}[/{style}] [bold]{escape(name)}[/bold]: {escape(message)}")


def print_next_step(text: str) -> None:
    """Say what to do now, apart from the output itself."""
    messages.print(f"[dim]Next:[/dim] {escape(text)}")


@contextmanager
def byte_progress(*, title: str, quiet: bool = False) -> Iterator[Progress]:
    """Show bytes moved while the block runs, on standard error and only on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=messages, transient=True, disable=quiet or not messages.is_terminal) as progress:
        progress.console.set_window_title(title)
        yield progress


@contextmanager
def errors_as_exit_codes(*, as_json: bool, interrupted: LilongError | None = None) -> Iterator[None]:
    """Turn every error of the block into a message with a next step and the exit code of its kind.

    interrupted: what to say after a signal; then the exit code is 128 and the signal's number, as shells have it.
    """
    try:
        yield
    except LilongError as error:
        _end(error, as_json=as_json)
    except httpx.TransportError as error:
        address = error.request.url.copy_with(path="", query=None)
        _end(HubUnreachable(detail=f"{address}: {str(error) or type(error).__name__}."), as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _end(FileRefused(detail=f"{place}{error.strerror or error}."), as_json=as_json)
    except KeyboardInterrupt as stop:
        report_error(interrupted or Interrupted(), as_json=as_json)
        number = stop.number if isinstance(stop, Signalled) else signal.SIGINT
        raise SystemExit(EXIT_SIGNALLED + number) from None


def _end(error: LilongError, *, as_json: bool) -> NoReturn:
    report_error(error, as_json=as_json)
    raise SystemExit(exit_code_of(error)) from None


def exit_code_of(error: LilongError) -> int:
    """Return the exit code: by kind of error, 75 when the same call may succeed later, else 1.

    >>> exit_code_of(NotFound()), exit_code_of(HubUnreachable())
    (5, 75)
    """
    for error_class, code in EXIT_CODES.items():
        if isinstance(error, error_class):
            return code
    return EXIT_TRY_LATER if error.retryable else EXIT_UNEXPECTED


def report_error(error: LilongError, *, as_json: bool) -> None:
    """Print the error on standard error: as a problem document, or in words with every field and the next step."""
    if as_json:
        print(json.dumps(render_problem(error), ensure_ascii=False), file=sys.stderr)  # noqa: T201 - machine output
        return
    messages.print(f"[bold red]{escape(error.title)}[/bold red] [dim]({error.code})[/dim]")
    if error.detail:
        messages.print(escape(error.detail))
    for field in error.fields:
        messages.print(f"  [bold]{escape(field.path)}[/bold]: {escape(field.message)}")
    for name, fact in error.facts.items():
        messages.print(f"  {escape(name)}: {escape(str(fact))}")
    if error.next_step:
        print_next_step(error.next_step)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
