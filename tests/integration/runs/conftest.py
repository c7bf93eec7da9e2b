import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilong.web.config import load_settings


@pytest.fixture(autouse=True)
def home(settings, tmp_path) -> Path:
    """Give the test a home folder of its own."""
    settings.LILONG = load_settings().model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    folder: Path = tmp_path
    (folder / "objects").mkdir()
    return folder


@pytest.fixture
def agent(db, home):
    """Return the agent of a pool that serves."""
    from tests.pools import open_pool  # noqa: PLC0415 - tables exist only after Django is set up

    return open_pool()


@pytest.fixture
def hub_url(transactional_db, home) -> Iterator[str]:
    """Serve the test's hub on a port of its own."""
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 - see above
    from django.core.servers.basehttp import (  # noqa: PLC0415 - Django is not set up when this file is read
        ThreadedWSGIServer,
        WSGIRequestHandler,
    )

    quiet = type("Quiet", (WSGIRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadedWSGIServer(("127.0.0.1", 0), quiet)
    server.set_app(WSGIHandler())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()
