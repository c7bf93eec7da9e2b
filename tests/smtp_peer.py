"""A real mail server as a process of its own: `python -m tests.smtp_peer FOLDER` prints its port and keeps what comes.

Senders and recipients whose name begins with `nobody` are refused for good, recipients with `later` for now; mail to
`quoting` is refused with a quotation of the link in it, as filters do.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


class Handler:
    """Keeps each mail as a file; the recipients stand in its X-Rcpt header line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse who sends."""
        if address.startswith("nobody"):
            return "550 5.7.1 You may not send"
        envelope.mail_from, envelope.mail_options = address, options
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        if address.startswith("nobody"):
            return f"550 5.1.1 <{address}>: No such person"
        if address.startswith("later"):
            return f"451 4.3.0 <{address}>: Try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        if envelope.rcpt_tos[0].startswith("quoting"):
            link = next(line for line in content.decode().splitlines() if line.startswith("http"))
            return f"554 5.7.1 Refused because of {link}"
        self._count += 1
        head = f"X-Rcpt: {', '.join(envelope.rcpt_tos)}\r\n".encode()
        part = self._folder / f"{self._count:04}.part"
        part.write_bytes(head + content)
        part.rename(part.with_suffix(".eml"))
        return "250 OK"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where it listens, and what it was given."""

    port: int
    folder: Path

    def read(self) -> list[EmailMessage]:
        """Return the mails in the order in which they came."""
        mails = []
        for path in sorted(self.folder.glob("*.eml")):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            assert isinstance(mail, EmailMessage)
            mails.append(mail)
        return mails


@contextmanager
def running_mail_server(folder: Path) -> Iterator[MailServer]:
    """Run the server until the end; it ends with its standard input."""
    folder.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.smtp_peer", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    ) as process:
        assert process.stdout is not None
        yield MailServer(port=int(process.stdout.readline()), folder=folder)
        process.communicate()


async def serve(folder: Path) -> None:
    """Serve until standard input ends."""
    handler, loop = Handler(folder), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname="127.0.0.1"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - whoever started it reads this
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
