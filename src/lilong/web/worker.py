"""The worker process: `python -m lilong.web.worker [--once]`. Any number of them may run."""

import argparse
import os
import signal
import threading

import django

from lilong.web.starting import require_start

COURIERS_END_S = 3.0


def main() -> None:
    """Run the rounds until TERM or INT, or every step once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="run every step once and end")
    once = parser.parse_args().once
    os.umask(0o077)  # nobody else on this machine reads what the hub writes
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lilong.web.settings")
    django.setup()
    from lilong.web.rounds import Worker, build_couriers, build_steps  # noqa: PLC0415 - needs Django to be set up

    require_start()
    worker, couriers = Worker(build_steps()), [Worker([step]) for step in build_couriers()]
    if once:
        for each in (worker, *couriers):
            each.run_due()
        return
    threads = [threading.Thread(target=courier.run, daemon=True) for courier in couriers]

    def stop(_number: int, _frame: object) -> None:
        for each in (worker, *couriers):
            each.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    for thread in threads:
        thread.start()
    worker.run()
    for thread in threads:
        thread.join(COURIERS_END_S)  # what they had claimed is sent again by the next worker


if __name__ == "__main__":
    main()
