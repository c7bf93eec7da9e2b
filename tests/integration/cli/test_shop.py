"""The command that searches the shelf, typed against a hub that runs."""

import json

import pytest
import structlog
from typer.testing import CliRunner

from lilong.cli.main import app
from lilong.common.time import utc_now
from tests.market import found_buyer, open_stall
from tests.people import make_own_token
from tests.pools import make_node
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Return a function that searches a shelf of cores and of two accelerators."""
    now = utc_now()
    for place in ("tests.pools.NOON", "tests.market.NOW", "tests.people.NOW"):
        monkeypatch.setattr(place, now)
    open_stall(name="cores", now=now)
    nodes = [make_node(name=f"n{number}", cores=8, memory_mib=65_536, h100_sxm5=4) for number in range(2)]
    open_stall(name="hall", accelerator="h100-sxm5", nodes=nodes, price_uc=700_000, now=now)
    monkeypatch.setenv("LILONG_TOKEN", make_own_token(found_buyer(now=now), now=now))
    hubs_logging = structlog.get_config()
    with running_web(home=tmp_path / "home") as web:
        monkeypatch.setenv("LILONG_HUB", web.url)
        yield lambda *words: CliRunner().invoke(app, ["shop", *words], env={"COLUMNS": "200"})
    structlog.configure(**hubs_logging)


def test_the_shelf_is_searched_by_command(shop):
    everything = shop()
    assert everything.exit_code == 0, everything.output
    assert everything.stdout.index("cores") < everything.stdout.index("hall")

    found = shop("accelerator = h100 price < 3")
    assert "2.520000" in found.stdout
    assert "8 (2 × 4)" in found.stdout
    assert "cores " not in found.stdout.split("Starts")[1].split("hall")[0]

    cut = shop("--limit", "1", "--sort", "-price", "--json")
    assert [offer["name"] for offer in json.loads(cut.stdout)["items"]] == ["hall"]
    assert json.loads(cut.stdout)["total"] == 2

    wrong = shop("pirce < 3")
    assert wrong.exit_code == 3
    assert "Nearest: price," in " ".join(wrong.stderr.split())
