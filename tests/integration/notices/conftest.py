"""What tests of notices stand on."""

import pytest

from tests.https_peer import running_peer
from tests.smtp_peer import running_mail_server


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """Serve HTTPS as somebody else, whose authority this machine trusts."""
    with running_peer(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with running_mail_server(tmp_path_factory.mktemp("mails")) as server:
        yield server


@pytest.fixture
def server(running, settings):
    """Send real mail through the server, which has none yet."""
    for path in running.folder.glob("*.eml"):
        path.unlink()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", running.port, False
    return running
