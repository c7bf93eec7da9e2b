"""`lilong serve` in a terminal: Ctrl-C reaches its whole process group, and everything ends in order."""

import json
import os
import signal
import subprocess
import sys

import httpx

from lilong.cli.local_hub import find_free_port
from tests.hub import is_running
from tests.polling import wait_until


def test_ctrl_c_ends_every_process_and_says_so(tmp_path):
    home, port = tmp_path / "hub 数据", find_free_port()
    lilong = [sys.executable, "-m", "lilong.cli.main"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    subprocess.run([*lilong, "init", "--home", str(home)], env=environment, check=True, capture_output=True)
    (home / "settings.toml").write_text(f'bind = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port}"\n')
    command = [*lilong, "serve", "--home", str(home), "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as serve:
        assert serve.stdout is not None
        starting = json.loads(serve.stdout.readline())
        wait_until(lambda: _answers(starting["public_url"]), within_s=60)
        pids = [int((home / "run" / f"{name}.pid").read_text()) for name in ("web", "worker")]
        assert all(is_running(pid) for pid in pids)
        os.killpg(serve.pid, signal.SIGINT)
        rest, _ = serve.communicate(timeout=30)

    assert starting == {"event": "starting", "home": str(home), "public_url": f"http://127.0.0.1:{port}"}
    assert [json.loads(line) for line in rest.splitlines()] == [{"event": "stopped"}]
    assert serve.returncode == 0
    assert not [pid for pid in pids if is_running(pid)]


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/health/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False
