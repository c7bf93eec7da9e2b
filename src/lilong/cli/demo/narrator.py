"""How the demo tells its story: a bar while it plays on a terminal, one line for each scene that is over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from lilong.cli.output import messages


class Narrator:
    """Shows progress through a known number of scenes on standard error."""

    def __init__(self, *, scenes: int) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal)
        self._task: TaskID = self._progress.add_task("", total=scenes)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Show the bar while the block runs."""
        with self._progress:
            yield

    @contextmanager
    def scene(self, title: str) -> Iterator[list[str]]:
        """Play one scene; the sentences that the block puts into the list stand under its line."""
        facts: list[str] = []
        self._progress.update(self._task, description=escape(title))
        started_s = time.monotonic()
        yield facts
        self._progress.advance(self._task)
        self._print(f"[green]✓[/green] {escape(title)} [dim]{time.monotonic() - started_s:.1f} s[/dim]")
        for fact in facts:
            self._print(f"  {escape(fact)}")

    def show_log(self, content: bytes) -> None:
        """Show lines of the job's log."""
        for line in content.decode(errors="replace").splitlines():
            self._print(f"  [dim]│ {escape(line)}[/dim]")

    def warn(self, text: str) -> None:
        """Say something that must not be overlooked."""
        self._print(f"[bold yellow]! {escape(text)}[/bold yellow]")

    def _print(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=True)
