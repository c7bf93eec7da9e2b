"""Prove by a job on the cluster itself that its nodes sandbox untrusted work. Fails closed."""

import json
import shlex
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lilong.agent.engines.rank import proof
from lilong.agent.engines.rank.judging import PROOF_PROCESSES_MAX, read_verdict
from lilong.agent.engines.rank.launch import NativeJob, Place, build_rank, list_job_folders
from lilong.agent.engines.slurm.commands import build_submit_options
from lilong.agent.engines.slurm.delivery import Wrapping
from lilong.agent.engines.slurm.identity import JobUser, Upload, Wanted
from lilong.agent.engines.slurm.layout import Layout
from lilong.agent.engines.slurm.parsing import parse_submitted
from lilong.agent.spool import AttemptFolder
from lilong.common.errors import EngineBusy
from lilong.common.ids import new_id
from lilong.protocol.spec import Resources, RunSpec

PROOF_S = 60
_LOOK_EVERY_S = 0.5
_LISTEN = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1], "w") as file:
    file.write(str(server.getsockname()[1]))
time.sleep(%d)
"""


def prove_nodes(
    *, user: JobUser, layout: Layout, wrapping: Wrapping, wait_s: float, accelerator: str | None = None
) -> str:
    """Return why the sandbox of a node does not hold, empty when it does; raises EngineBusy if no node came to it.

    A job of `user` starts a listener beside the sandbox and `proof.py` inside, which must reach neither that nor the
    wrapper's own files. Takes a free node, and a second of it. accelerator: the proof gets one of this kind, has to see
    it, and no other device.
    """
    attempt_id = new_id("att")
    remote = AttemptFolder(layout.jobs_folder / user.user / attempt_id)
    given = remote.rank(0) / "given"
    job = _describe_job(attempt_id, layout=layout, hidden=remote.rank(0) / "launch.json", accelerator=accelerator)
    place = Place(hostname="node", accelerators=wrapping.accelerators[accelerator] if accelerator else None)
    narrow = replace(wrapping.bounds, processes_max=PROOF_PROCESSES_MAX)
    files = build_rank(folder=remote, job=job, rank=0, place=place, bounds=narrow, isolation=wrapping.isolation)
    uploads = [Upload(f"ranks/0/{name}", content) for name, content in files.items()]
    uploads += [
        Upload("ranks/0/given/proof.py", Path(proof.__file__).read_bytes()),
        Upload("listen.py", (_LISTEN % PROOF_S).encode()),
    ]
    folders = [*(f"job/{name}" for name in list_job_folders(nodes=1)), "environment"]
    user.put(attempt_id=attempt_id, uploads=uploads, folders=folders)
    job_id = None
    try:
        job_id = _submit(user, job, remote=remote, given=given, layout=layout)
        return _wait_for_verdict(user, attempt_id=attempt_id, wait_s=wait_s)
    finally:
        if job_id is not None:
            user.cancel(job_ids=[str(job_id)])
        user.remove(attempt_ids=[attempt_id])


def _describe_job(attempt_id: str, *, layout: Layout, hidden: Path, accelerator: str | None) -> NativeJob:
    command = f"{layout.python} -I -S /run/lilong/proof.py {shlex.quote(str(hidden))} $(cat /run/lilong/port)"
    remote = hidden.parents[2]
    count = 0 if accelerator is None else 1
    resources = Resources(memory_mib=256, disk_mib=64, accelerator=accelerator, accelerators=count)
    return NativeJob(
        ref=f"lilong-proof-{attempt_id}",
        attempt_id=attempt_id,
        run_id="",
        number=1,
        hub_id="",
        token="",
        nonce="",
        report_key="",
        spec=RunSpec(name="proof", command=command, resources=resources, walltime_s=PROOF_S),
        authorised_ms=PROOF_S * 1000,
        uid=None,
        environment_folder=str(remote / "environment"),
        secrets_folder="",
        sandboxed=True,
    )


def _submit(user: JobUser, job: NativeJob, *, remote: AttemptFolder, given: Path, layout: Layout) -> int:
    options = build_submit_options(
        spec=job.spec,
        name=job.ref,
        attempt_id=job.attempt_id,
        attempt_folder=PurePosixPath(remote.path),
        place=layout.place,
        grace_s=0,
        margin_s=PROOF_S,
    )
    python, port = shlex.quote(str(layout.python)), shlex.quote(str(given / "port"))
    script = [
        "#!/bin/sh",
        f"{python} -I -S {shlex.quote(str(remote.path / 'listen.py'))} {port} &",
        f"while [ ! -s {port} ]; do sleep 0.1; done",
        f"{python} -I -S {shlex.quote(str(layout.shim))} --attached {shlex.quote(str(remote.path))}",
        "kill $!",
    ]
    said = user.submit(options=options, script="\n".join(script) + "\n")
    job_id = parse_submitted(text=said.stdout)
    if said.exit_code or job_id is None:
        raise EngineBusy(detail=f"sbatch took no probe run: {said.stderr.strip() or said.stdout.strip()}")
    return job_id


def _wait_for_verdict(user: JobUser, *, attempt_id: str, wait_s: float) -> str:
    deadline_s = time.monotonic() + wait_s
    wanted = [Wanted(attempt_id, f"ranks/0/{name}", limit=64 * 1024) for name in ("exit.json", "log", "devices.json")]
    while time.monotonic() < deadline_s:
        end, log, devices = user.get(wanted=wanted)
        if end is not None and log is not None:
            output = log.content.decode("utf-8", "replace")
            shown = json.loads(devices.content)["shown"] if devices is not None else ()
            return read_verdict(output=output, end=json.loads(end.content), devices=shown)
        time.sleep(_LOOK_EVERY_S)
    raise EngineBusy(detail=f"No node has run the probe within {wait_s:.0f} s.")
