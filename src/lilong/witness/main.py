"""Start a witness, or tell it which log to trust: `python -m lilong.witness.main COMMAND`."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from lilong.common.errors import LilongError
from lilong.protocol.checkpoint import parse_verifier_key
from lilong.witness.memory import init_witness, lock_witness, trust_log
from lilong.witness.server import Witness, WitnessServer

BIND_DEFAULT = "127.0.0.1:9310"


def serve_witness(*, folder: Path, bind: str) -> None:
    """Serve the witness in `folder` at HOST:PORT (port 0: any) until SIGTERM or SIGINT; say where on stdout."""
    host, _, port = bind.rpartition(":")
    with lock_witness(folder):
        server = WitnessServer(witness=Witness(folder), host=host, port=int(port))

        def stop(_number: int, _frame: FrameType | None) -> None:
            threading.Thread(target=server.shutdown).start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        sys.stdout.write(f"http://{host}:{server.server_port} {server.witness.key_text}\n")
        sys.stdout.flush()
        with server:
            server.serve_forever(poll_interval=0.2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="lilong witness", description="Cosign the heads of hubs' records.")
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="make a key and an empty memory; prints the key to give to hubs")
    init.add_argument("--name", required=True, help="name of the witness, such as auditor.example/w1")
    trust = commands.add_parser("trust", help="cosign a log from now on; while the witness is stopped")
    trust.add_argument("key", help="the log's key in one line, got over a road that the hub does not control")
    serve = commands.add_parser("serve", help="serve until stopped")
    serve.add_argument("--bind", default=BIND_DEFAULT, help=f"HOST:PORT (default {BIND_DEFAULT})")
    for command in (init, trust, serve):
        command.add_argument("--home", required=True, type=Path, help="folder of the witness")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "init":
            sys.stdout.write(f"{init_witness(folder=asked.home, name=asked.name).text}\n")
        elif asked.command == "trust":
            trust_log(folder=asked.home, key=parse_verifier_key(asked.key))
        else:
            serve_witness(folder=asked.home, bind=asked.bind)
    except LilongError as error:
        sys.stderr.write(f"{error.title}: {error}\n{error.next_step}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
