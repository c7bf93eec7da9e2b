"""The story: a start-up's engineer buys one job, it is killed and goes on, and an outsider checks what she paid."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from lilong.cli.demo.chance import Chance
from lilong.cli.demo.mischief import Mischief
from lilong.cli.demo.narrator import Narrator
from lilong.cli.demo.proof import Verdict, fetch_files, recompute_charge, verify_record
from lilong.cli.demo.stage import Stage
from lilong.cli.following import wait_until_over
from lilong.cli.job_files import read_job_file, send_working_folder
from lilong.cli.output import credits_text
from lilong.common.errors import InputInvalid
from lilong.protocol.spec import Isolation, RunSpec
from lilong.sdk.orders import Order
from lilong.sdk.quotes import Quote
from lilong.sdk.record import Keys
from lilong.sdk.runs import Run

SCENES = 13
JOB_FILE = "job.yaml"
METRICS_FILE = "metrics.json"
ARTEFACTS_FOLDER = "artefacts"


class MetricsMissing(InputInvalid):
    """The job left no metrics."""

    code = "demo.metrics_missing"
    title = "The demo's job did not leave its metrics"
    next_step = "Read the job's log above."


@dataclass(frozen=True, slots=True)
class Proofs:
    """What was found by recomputing: charge and record by an outsider, the ledger by the hub."""

    charge: Verdict
    record: Verdict
    ledger_balanced: bool
    fingerprints: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that the demo's numbers are taken from."""

    chance: Chance
    quote: Quote
    order: Order
    run: Run
    metrics: Mapping[str, float]
    proofs: Proofs
    isolation: Isolation
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether all went as promised."""
        proofs = self.proofs
        proven = proofs.charge.accepted and proofs.record.accepted and proofs.ledger_balanced
        return proven and self.run.state == "succeeded"

    def to_json(self) -> dict[str, object]:
        """Return the numbers for programs; metered_s are the billable seconds of all attempts."""
        return {
            "quoted_uc": self.quote.quoted_uc,
            "max_uc": self.quote.max_uc,
            "voucher_uc": self.order.voucher_uc,
            "metered_s": self.run.billable_ms / 1000,
            "attempts": len(self.run.attempts),
            "charged_uc": self.order.charged_uc,
            "refunded_uc": self.order.refunded_uc,
            "run_state": self.run.state,
            "metric": self.metrics["accuracy"],
            "metrics": dict(self.metrics),
            "artefacts": [
                {"path": artefact.path, "sha256": artefact.sha256, "size_bytes": artefact.size_bytes}
                for artefact in self.run.artefacts
            ],
            "ledger_balanced": self.proofs.ledger_balanced,
            "charge_recomputed": self.proofs.charge.accepted,
            "record_verified": self.proofs.record.accepted,
            "key_fingerprints": dict(self.proofs.fingerprints),
            "isolation": self.isolation.value,
            "seed": self.chance.seed,
            "price_uc": self.chance.price_uc,
            "agent_killed_after_s": self.chance.agent_killed_after_s,
            "shim_killed_after_s": self.chance.shim_killed_after_s,
            "order_id": self.order.id,
            "run_id": self.run.id,
            "seconds": round(self.seconds, 1),
        }


def play(*, stage: Stage, chance: Chance, narrator: Narrator) -> Outcome:
    """Play the whole story on an empty stage and return what came of it; the hub runs until the caller stops it."""
    started_s = time.monotonic()
    sandboxed = _prepare(stage, narrator=narrator)
    with TemporaryDirectory(prefix="lilong-job-") as folder:
        spec = _bring_job(stage, folder=Path(folder), sandboxed=sandboxed, narrator=narrator)
    quote = _ask_price(stage, spec=spec, narrator=narrator)
    order = _order(stage, quote=quote, narrator=narrator)
    _follow(stage, order=order, chance=chance, narrator=narrator)
    with narrator.scene("The rest of what was held goes back") as facts:
        order = wait_until_over(stage.engineer, order_id=order.id).order
        run = stage.engineer.runs.get(order.run_id)
        facts.append(
            f"Charged {credits_text(order.charged_uc)} for {run.billable_ms / 1000:.3f} s, of it the voucher "
            f"{credits_text(order.voucher_uc)}; given back {credits_text(order.refunded_uc)}."
        )
    metrics = _fetch_artefacts(stage, run=run, narrator=narrator)
    proofs = _prove(stage, order=order, narrator=narrator)
    return Outcome(
        chance=chance,
        quote=quote,
        order=order,
        run=run,
        metrics=metrics,
        proofs=proofs,
        isolation=spec.isolation,
        seconds=time.monotonic() - started_s,
    )


def _prepare(stage: Stage, *, narrator: Narrator) -> bool:
    """Play until the engineer has a voucher and money; return whether this machine can sandbox."""
    with narrator.scene("A fresh hub: web, worker, and a witness with a key of its own") as facts:
        stage.hub.make()
        stage.hub.start()
        facts.append(f"It answers at {stage.hub.url}.")
    with narrator.scene("Three operators: one signs in with the one-time token and takes in two more"):
        stage.appoint_operators()
    with narrator.scene("A provider, admitted by a person; this machine's agent joins its pool") as facts:
        found = stage.connect_pool().preflight
        facts.append(
            f"{found.cores} cores, {found.memory_mib} MiB of memory, sandbox: {'yes' if found.sandbox else 'NO'}."
        )
    for warning in found.warnings:
        narrator.warn(warning.message)
    with narrator.scene(f"An offer: {credits_text(stage.terms.price_uc)} for 1 000 core-seconds"):
        stage.open_shop()
    with narrator.scene("A programme that pays half of each price, funded with two approvals"):
        stage.fund_programme()
    with narrator.scene("A start-up signs up: admitted by the published rule in the same minute") as facts:
        voucher = stage.sign_up_engineer()
        facts.append(f"It gets a starter voucher over {credits_text(voucher.available_uc)}.")
    with narrator.scene(f"Its wallet: {credits_text(stage.terms.wallet_uc)} entered, two operators approve"):
        stage.top_up()
    return found.sandbox


def _bring_job(stage: Stage, *, folder: Path, sandboxed: bool, narrator: Narrator) -> RunSpec:
    """Copy the job to a folder of hers, bring it to the hub, and return its spec; trusted where no sandbox is."""
    with narrator.scene("A training job in a folder of her own") as facts:
        for source in (resources.files("lilong.cli.demo") / "job").iterdir():
            if source.is_file():
                (folder / source.name).write_bytes(source.read_bytes())
        spec = read_job_file(folder / JOB_FILE).parse()
        manifest_sha256 = send_working_folder(stage.engineer, folder=folder, quiet=True)
        facts.append(f"It needs {', '.join(spec.environment.requirements)}, which the hub itself does not have.")
        spec = spec.model_copy(update={"workdir_sha256": manifest_sha256})
        if not sandboxed:
            refused = stage.engineer.quotes.check(spec=spec).left_out
            narrator.warn(f"Untrusted jobs are refused here: {' '.join(note.message for note in refused)}")
            narrator.warn("This is Lilong's own example: it runs unprotected, as `isolation: trusted`.")
            spec = spec.model_copy(update={"isolation": Isolation.TRUSTED})
        return spec


def _ask_price(stage: Stage, *, spec: RunSpec, narrator: Narrator) -> Quote:
    with narrator.scene("She asks what it costs: a signed quote, net of her voucher") as facts:
        quote = stage.engineer.quotes.create(spec=spec)
        facts.append(
            f"Expected {credits_text(quote.quoted_uc)}, at most {credits_text(quote.max_uc)}, of that her voucher pays "
            f"{credits_text(quote.voucher_max_uc)}."
        )
        facts.append(f"Its packages are resolved; {len(quote.offers)} offer can run it.")
    return quote


def _order(stage: Stage, *, quote: Quote, narrator: Narrator) -> Order:
    with narrator.scene("She orders: the maximum is held, the run submitted") as facts:
        order = stage.engineer.orders.place(quote_id=quote.quote_id)
        facts.append(f"{order.id}, held {credits_text(order.max_uc)}.")
    return order


def _follow(stage: Stage, *, order: Order, chance: Chance, narrator: Narrator) -> None:
    """Follow the log to its end while agent and shim are killed on the way."""
    with narrator.scene("The job runs; she follows its log") as facts:
        mischief = Mischief(stage=stage, run_id=order.run_id, chance=chance, narrator=narrator)
        first_s = 0.0
        for piece in stage.engineer.runs.follow_log(order.run_id):
            narrator.show_log(piece.content)
            first_s = first_s or time.monotonic()
            if piece.attempt_number == 1:
                mischief.act(running_s=time.monotonic() - first_s)
        run = stage.engineer.runs.get(order.run_id)
        for attempt in run.attempts:
            begun = "from the checkpoint" if attempt.resumed else "from the beginning"
            facts.append(
                f"Attempt {attempt.number}, {begun}: {attempt.state}, {attempt.reason}, fault {attempt.fault}, "
                f"billable {attempt.billable_ms / 1000:.3f} s of {attempt.metered_ms / 1000:.3f} s."
            )


def _fetch_artefacts(stage: Stage, *, run: Run, narrator: Narrator) -> dict[str, float]:
    """Download what the run made, each file checked against its digest, and return its metrics."""
    folder = stage.hub.home / ARTEFACTS_FOLDER
    with narrator.scene("She fetches what it made") as facts:
        for artefact in run.artefacts:
            stage.engineer.objects.download(artefact.sha256, target=folder / artefact.path)
            facts.append(f"{artefact.path}, {artefact.size_bytes} bytes, SHA-256 {artefact.sha256[:16]}…")
        if not (folder / METRICS_FILE).exists():
            raise MetricsMissing(detail=f"The run ended as {run.state}: {run.reason}. {run.detail}")
        metrics: dict[str, float] = json.loads((folder / METRICS_FILE).read_bytes())
        facts.append(f"Accuracy {metrics['accuracy']:.4f} after {metrics['epochs']:.0f} epochs.")
    return metrics


def _prove(stage: Stage, *, order: Order, narrator: Narrator) -> Proofs:
    home = stage.hub.home
    with narrator.scene("An outsider recomputes the charge and verifies the record; the hub its books") as facts:
        witness_url = stage.hub.witness_url
        keys: Keys = fetch_files(stage.engineer, order_id=order.id, witness_url=witness_url, folder=home)
        ledger = stage.operators[0].wallet.verify_ledger()
        proofs = Proofs(
            charge=recompute_charge(home),
            record=verify_record(home),
            ledger_balanced=ledger.is_balanced,
            fingerprints=keys.fingerprints,
        )
        facts += [f"Charge: {proofs.charge.sentence}", f"Record: {proofs.record.sentence}"]
        facts.append(f"Ledger: {ledger.transfers} transfers recomputed, balanced: {ledger.is_balanced}.")
        facts += [f"Key of {key.split('+')[0]}: {fingerprint}" for key, fingerprint in keys.fingerprints.items()]
    return proofs
