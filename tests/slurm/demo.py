"""`make demo-slurm`: one order begins on cluster A, whose node dies under it, and ends on B from its checkpoint.

A runs Slurm 22.05, B 24.11. What is printed is a timeline with money, and the metric beside that of the same job in one
go.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import stamina

from lilong.cli.demo.proof import Verdict, fetch_files, recompute_charge, verify_record
from lilong.cli.following import wait_until_over
from lilong.cli.job_files import read_job_file, send_working_folder
from lilong.cli.output import credits_text
from lilong.sdk.orders import OrderDetail
from lilong.sdk.runs import Run
from tests.polling import wait_until
from tests.slurm.cluster import SlurmCluster
from tests.slurm.site import running_site
from tests.slurm.stage import SlurmStage, running_stage

COMMAND = "python train.py --seconds 18"
CHECKPOINTED = b"epoch "
WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the story left: the order, its run on both clusters, the metrics, and what an outsider found."""

    detail: OrderDetail
    run: Run
    killed_node: str
    metrics: dict[str, float]
    metrics_in_one_go: dict[str, float]
    verdicts: Sequence[Verdict]

    @property
    def succeeded(self) -> bool:
        """Whether all went as it should."""
        order, same = self.detail.order, ("accuracy", "epochs", "loss")
        return (
            self.run.state == "succeeded"
            and [attempt.fault for attempt in self.run.attempts] == ["provider", "nobody"]
            and (order.charged_uc or 0) + (order.refunded_uc or 0) == order.max_uc
            and all(self.metrics[name] == self.metrics_in_one_go[name] for name in same)
            and all(verdict.accepted for verdict in self.verdicts)
        )


def play(folder: Path) -> Outcome:
    """Play the story on fresh clusters and a fresh hub in `folder`."""
    with ExitStack() as stack:
        tell("Two clusters of four nodes with eight accelerators each: A runs Slurm 22.05, B runs 24.11.")
        sites = [
            stack.enter_context(running_site(suite=suite, name=name, users=1))
            for name, suite in (("a", "bookworm"), ("b", "trixie"))
        ]
        stage = stack.enter_context(running_stage(folder, sites=sites))
        tell(
            f"A hub at {stage.hub.url}; both providers were admitted, their agents have joined and proven the sandbox."
        )
        return play_order(stage, folder=folder)


def play_order(stage: SlurmStage, *, folder: Path) -> Outcome:
    """Order the demo's training, kill the node under it, wait for the settlement, and look at everything."""
    work = folder / "work"
    work.mkdir()
    for source in (resources.files("lilong.cli.demo") / "job").iterdir():
        if source.is_file():
            (work / source.name).write_bytes(source.read_bytes())
    spec = read_job_file(work / "job.yaml").parse().model_copy(update={"command": COMMAND})
    sha256 = send_working_folder(stage.engineer, folder=work, quiet=True)
    quote = stage.engineer.quotes.create(spec=spec.model_copy(update={"workdir_sha256": sha256}))
    order = stage.engineer.orders.place(quote_id=quote.quote_id)
    tell(f"She orders; {len(quote.offers)} offers can run it, {credits_text(order.max_uc)} are held.")
    cluster = stage.pools[0].site.cluster
    node = kill_node_once_checkpointed(stage, run_id=order.run_id, cluster=cluster)
    tell(f"Node {node} of A dies under the job: slurmd, its steps and the job's processes.")
    for piece in stage.engineer.runs.follow_log(order.run_id):
        for line in piece.content.decode(errors="replace").splitlines():
            tell(f"  {piece.attempt_number} | {line}")
    detail = wait_until_over(stage.engineer, order_id=order.id)
    run = stage.engineer.runs.get(order.run_id)
    [artefact] = [one for one in run.artefacts if one.path == "metrics.json"]
    metrics: dict[str, float] = json.loads(stage.engineer.objects.read(artefact.sha256))
    fetch_files(stage.engineer, order_id=order.id, witness_url=stage.hub.witness_url, folder=stage.hub.home)
    return Outcome(
        detail=detail,
        run=run,
        killed_node=node,
        metrics=metrics,
        metrics_in_one_go=train_in_one_go(stage, epochs=int(metrics["epochs"])),
        verdicts=(recompute_charge(stage.hub.home), verify_record(stage.hub.home)),
    )


def kill_node_once_checkpointed(stage: SlurmStage, *, run_id: str, cluster: SlurmCluster) -> str:
    """Kill the node that runs the first attempt once its log tells of a second checkpoint; return the node."""

    def has_checkpoint() -> bool:
        log = stage.engineer.runs.read_log(run_id, attempt_number=1).content
        return log.count(CHECKPOINTED) >= 3  # the first such line announces how many there will be

    wait_until(lambda: bool(stage.engineer.runs.get(run_id).attempts), within_s=WITHIN_S)
    wait_until(has_checkpoint, within_s=WITHIN_S)
    attempt = stage.engineer.runs.get(run_id).attempts[0]
    rows = cluster.run("squeue", "--noheader", "--states=RUNNING", "--format=%N %j").splitlines()
    [node] = [row.split()[0] for row in rows if row.endswith(attempt.id)]
    cluster.kill_node(node)
    return node


def train_in_one_go(stage: SlurmStage, *, epochs: int) -> dict[str, float]:
    """Train once more, undisturbed, in the environment that B's agent has built, and return the metrics."""
    [python] = stage.pools[1].site.settings.shared_folder.glob("environments/*/bin/python")
    script = resources.files("lilong.cli.demo") / "job" / "train.py"
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), str(script), "--epochs", str(epochs)]
        environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        metrics: dict[str, float] = json.loads(Path(folder, "metrics.json").read_bytes())
        return metrics


def print_outcome(outcome: Outcome) -> None:
    """Print the timeline with money beside each step, the attempts, the charge and the metrics."""
    began_at = outcome.detail.timeline[0].at
    for step in outcome.detail.timeline:
        money = f"{step.money} {credits_text(step.amount_uc)}" if step.amount_uc is not None else ""
        after_s = (step.at - began_at).total_seconds()
        tell(f"{after_s:8.1f} s  {step.step:<14} {step.state:<9} {money:<34} {step.detail[:60]}")
    for attempt in outcome.run.attempts:
        begun = "from the checkpoint" if attempt.resumed else "from the beginning"
        tell(
            f"Attempt {attempt.number}, {begun}: {attempt.state}, {attempt.reason}, fault {attempt.fault}, "
            f"billable {attempt.billable_ms / 1000:.3f} s of {attempt.metered_ms / 1000:.3f} s."
        )
    order = outcome.detail.order
    tell(
        f"Held {credits_text(order.max_uc)}, charged {credits_text(order.charged_uc)}, "
        f"given back {credits_text(order.refunded_uc)}."
    )
    tell(f"Accuracy {outcome.metrics['accuracy']:.4f}, in one go {outcome.metrics_in_one_go['accuracy']:.4f}.")
    for verdict in outcome.verdicts:
        tell(verdict.sentence)


def tell(text: str) -> None:
    """Say a line at once."""
    print(text, flush=True)  # noqa: T201 - this is how a demo speaks


def main() -> int:
    """Play and print; 0 when all went as it should."""
    stamina.instrumentation.set_on_retry_hooks([])  # a head that waits for its witness is no news
    with tempfile.TemporaryDirectory(prefix="lilong-demo-slurm-") as folder:
        outcome = play(Path(folder))
        print_outcome(outcome)
    return 0 if outcome.succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
