"""What tests of notices stand on."""

import pytest

from tests.https_peer import running_peer


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """Serve HTTPS as somebody else, whose authority this machine trusts."""
    with running_peer(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        yield server
