"""Web and worker by the commands of their units, as systemd would run them; no systemd runs where the tests do."""

import json
import os
import shlex
import subprocess
from contextlib import ExitStack, suppress

import httpx
import pytest

from lilong.cli.hub_unit import Part
from lilong.cli.local_hub import find_free_port
from tests.integration.cli.commands import lilong
from tests.polling import wait_until
from tests.units import read_settings

pytestmark = pytest.mark.timeout(600)


def read_command(unit: str) -> list[str]:
    """Return what systemd makes of the unit's ExecStart."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(read_settings(unit)["ExecStart"])]


def test_web_and_worker_run_by_the_commands_of_their_units_and_end_with_0_when_asked(tmp_path):
    home, port = tmp_path / "50% of 上海 & $HOME", find_free_port()
    assert lilong("init", "--home", home).returncode == 0
    (home / "settings.toml").write_text(f'bind = "127.0.0.1:{port}"\n')
    units = {part: json.loads(lilong("unit", part, "--home", home, "--json").stdout)["unit"] for part in Part}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    with ExitStack() as running:
        processes = {}
        for part, unit in units.items():
            log = running.enter_context((tmp_path / f"{part}.log").open("wb"))
            processes[part] = subprocess.Popen(read_command(unit), env=environment, cwd="/", stdout=log, stderr=log)
            running.callback(processes[part].kill)
        metrics = wait_until(lambda: _read_metrics(port), within_s=240)
        for process in processes.values():
            process.terminate()
        codes = {part: process.wait(timeout=30) for part, process in processes.items()}

    assert "lilong_worker_running 1.0" in metrics
    assert codes == {Part.WEB: 0, Part.WORKER: 0}


def _read_metrics(port: int) -> str:
    """Return what the web process tells Prometheus once it knows of the worker."""
    with suppress(httpx.TransportError):
        told = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        return told if "lilong_worker_running 1.0" in told else ""
    return ""
