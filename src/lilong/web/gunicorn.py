"""How gunicorn serves the hub: one process, sync threads. Read by `gunicorn -c python:lilong.web.gunicorn`.

One process is enough for a laptop and keeps SQLite calm; a large hub starts more web processes over PostgreSQL.
"""

import gc
import signal
from types import FrameType

from lilong.common.django.streams import STOPPING
from lilong.web.config import load_settings
from lilong.web.painting import STUDIO
from lilong.web.starting import require_start

_settings = load_settings()

wsgi_app = "lilong.web.wsgi:application"
bind = [_settings.bind]
workers = 1
worker_class = "gthread"
threads = _settings.web_threads + _settings.web_streams
timeout = 120
graceful_timeout = 10
keepalive = 15
umask = 0o077  # nobody else on this machine reads what the hub writes
worker_tmp_dir = None
control_socket_disable = True
limit_request_line = 8190
limit_request_fields = 64
accesslog = None
errorlog = "-"
loglevel = "warning"
proc_name = "lilong-web"


GARBAGE_OBJECTS = 50_000


def post_worker_init(worker: object) -> None:  # noqa: ARG001 - gunicorn hands it in
    """Refuse tables of another version, start the painter of charts, let garbage be looked for rarely.

    By default that is after every 700 new objects, of which one agent's sync makes many thousands. Never is it looked
    for among what was loaded.
    """
    require_start()
    STUDIO.open()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    _end_streams_on(signal.SIGTERM)
    _end_streams_on(signal.SIGINT)


def _end_streams_on(number: signal.Signals) -> None:
    """Let open streams end when the worker is asked to: it waits for its threads."""
    told = signal.getsignal(number)

    def end(signal_number: int, frame: FrameType | None) -> None:
        STOPPING.set()
        if callable(told):
            told(signal_number, frame)

    signal.signal(number, end)
