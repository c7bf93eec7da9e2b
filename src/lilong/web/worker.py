"""The worker process: `python -m lilong.web.worker [--once]`. Any number of them may run."""

import argparse
import os
import signal

import django


def main() -> None:
    """Run the rounds until TERM or INT, or every step once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="run every step once and end")
    once = parser.parse_args().once
    os.umask(0o077)  # nobody else on this machine reads what the hub writes
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lilong.web.settings")
    django.setup()
    from lilong.web.rounds import Worker, build_steps  # noqa: PLC0415 - needs Django to be set up

    worker = Worker(build_steps())
    if once:
        worker.run_due()
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: worker.stop())
    worker.run()


if __name__ == "__main__":
    main()
