"""The audit of dependencies: uv itself, asking an advisory service that runs here and speaks as osv.dev does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.audit import AuditInvalid, Finding, Ignored, ask, judge, main, read_ignored, read_report

TODAY = date(2026, 3, 1)
ADVISORY: dict[str, Any] = {
    "id": "PYSEC-2021-66",
    "aliases": ["CVE-2020-28493"],
    "modified": "2021-03-22T16:34:00Z",
    "published": "2021-02-01T20:15:00Z",
    "details": "Jinja2 before 2.11.3: urlize may take very long.",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.11.3"}]}],
            "versions": ["2.11.1", "2.11.2"],
        }
    ],
    "references": [{"type": "ADVISORY", "url": "https://advisories.example/PYSEC-2021-66"}],
}
FINDING = Finding(
    "jinja2 2.11.2", ("PYSEC-2021-66", "CVE-2020-28493"), ("2.11.3",), "https://advisories.example/PYSEC-2021-66"
)
LOCK = """
version = 1
requires-python = ">=3.11"

[[package]]
name = "jinja2"
version = "VERSION"
source = { registry = "https://index.example/simple" }

[[package]]
name = "something"
version = "0"
source = { virtual = "." }
dependencies = [{ name = "jinja2" }]

[package.metadata]
requires-dist = [{ name = "jinja2" }]
"""


class Service(BaseHTTPRequestHandler):
    """Tells which of the packages that are asked for are affected, and the advisory; or fails as it is told to."""

    failure = b"", 200

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        affected = ADVISORY["affected"][0]
        known = {(affected["package"]["name"], version) for version in affected["versions"]}
        told = [{key: ADVISORY[key] for key in ("id", "modified")}]
        results = [{"vulns": told} if (each["package"]["name"], each["version"]) in known else {} for each in queries]
        self._answer({"results": results})

    def do_GET(self) -> None:
        assert self.path == f"/v1/vulns/{ADVISORY['id']}"
        self._answer(ADVISORY)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def _answer(self, value: object) -> None:
        wrong, status = self.failure
        body = wrong or json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_service(*, body: bytes = b"", status: int = 200) -> Iterator[str]:
    handler = type("Failing", (Service,), {"failure": (body, status)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def lock(tmp_path):
    """Make a project whose lock file holds this version of Jinja2."""

    def write(version):
        (tmp_path / "pyproject.toml").write_text(
            '[project]\nname = "something"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["jinja2"]\n'
        )
        (tmp_path / "uv.lock").write_text(LOCK.replace("VERSION", version))
        return tmp_path

    return write


def test_a_version_with_a_known_vulnerability_is_found_and_the_mended_one_is_not(lock):
    with running_service() as url:
        assert ask(lock("2.11.2"), "--service-url", url) == [FINDING]
        assert ask(lock("2.11.3"), "--service-url", url) == []


def test_our_own_lock_file_is_audited():
    with running_service() as url:
        assert main("--service-url", url) == 0


@pytest.mark.parametrize(("body", "status"), [(b"{}", 503), (b"slow down", 429), (b"<html>sign in</html>", 200)])
def test_a_service_that_gives_no_answer_says_nothing_about_the_packages(lock, body, status):
    with running_service(body=body, status=status) as url:
        assert ask(lock("2.11.2"), "--service-url", url) is None


def test_a_network_that_is_down_fails_nothing_and_is_told(lock, capsys):
    with running_service() as url:
        pass
    assert ask(lock("2.11.2"), "--service-url", url) is None
    assert main("--service-url", url) == 0
    assert "Not audited" in capsys.readouterr().err


def test_anything_else_that_goes_wrong_is_no_excuse(lock):
    with pytest.raises(AuditInvalid, match="no-such-option"):
        ask(lock("2.11.2"), "--no-such-option")
    for report in ("", "[]", '{"vulnerabilities": []}', '{"vulnerabilities": [], "summary": {"vulnerabilities": 1}}'):
        with pytest.raises(AuditInvalid):
            read_report(report)


def test_what_is_ignored_is_ignored_until_its_day_is_over():
    entry = Ignored("CVE-2020-28493", "urlize is never called", TODAY)

    assert judge([FINDING], [], today=TODAY) == [str(FINDING)]
    assert judge([FINDING], [entry], today=TODAY) == []
    assert judge([FINDING], [entry], today=date(2026, 3, 2)) == [
        str(FINDING),
        "audit.toml: CVE-2020-28493 was ignored until 2026-03-01: look again",
    ]
    assert judge([], [entry], today=TODAY) == ["audit.toml: nothing has CVE-2020-28493 any more: remove it"]


@pytest.mark.parametrize(
    "entry",
    [
        'id = "X-1"\nuntil = 2026-03-02',
        'id = "X-1"\nreason = ""\nuntil = 2026-03-02',
        'id = "X-1"\nreason = "because"',
        'id = "X-1"\nreason = "because"\nuntil = "2026-03-02"',
        'id = "X-1"\nreason = "because"\nuntil = 2027-03-02',
    ],
)
def test_nothing_is_ignored_without_a_reason_and_an_end_within_half_a_year(entry):
    good = '[[ignored]]\nid = "X-1"\nreason = "because"\nuntil = 2026-03-02\n'

    assert read_ignored(good, today=TODAY) == [Ignored("X-1", "because", date(2026, 3, 2))]
    with pytest.raises(AuditInvalid):
        read_ignored(f"[[ignored]]\n{entry}\n", today=TODAY)
