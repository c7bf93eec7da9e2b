"""The slow steps of an attempt. Each may be cut off at any point and done again; each ends by writing one fact."""

from collections.abc import Callable
from datetime import datetime

from lilong.agent.accepted import Accepted
from lilong.agent.cache import ObjectDamaged
from lilong.agent.ends import ENDS, end_for
from lilong.agent.engines.local.host import read_boot_id
from lilong.agent.engines.port import CanStage, Engine, Job, Metered, NativeState
from lilong.agent.engines.rank.launch import MIB
from lilong.agent.environments import EnvironmentFailed, EnvironmentStore
from lilong.agent.hub import HubAway, HubRefused
from lilong.agent.outputs import Outputs, collect_outputs
from lilong.agent.spool import (
    COMPLETE,
    ENDED,
    OUTPUTS,
    STAGED,
    AttemptFolder,
    read_json,
    read_model,
    read_ref,
    write_json,
)
from lilong.agent.staging import DiskTooSmall, HostDiskFull, Progress, SecretFolders, Stager, StagingInvalid
from lilong.agent.steps import Ended
from lilong.agent.uploads import Uploads
from lilong.common.errors import EngineRefused
from lilong.protocol.manifest import ManifestInvalid
from lilong.protocol.messages import Fault, Reason, Usage


class Work:
    """Staging, collecting and uploading, with what they need."""

    def __init__(
        self,
        *,
        engine: Engine,
        stager: Stager,
        environments: EnvironmentStore,
        secrets: SecretFolders,
        uploads: Uploads,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._stager = stager
        self._environments = environments
        self._secrets = secrets
        self._uploads = uploads
        self._clock = clock

    def stage(self, folder: AttemptFolder, accepted: Accepted, *, progress: Progress) -> None:
        """Build the environment and lay out the files. What cannot ever work ends the attempt, the rest raises."""
        submit = accepted.submit
        try:
            self._secrets.require(attempt_id=submit.attempt_id, names=submit.spec.secrets)
            self._environments.build(submit.environment)
            self._stager.stage(submit=submit, folder=folder, progress=progress)
            if isinstance(self._engine, CanStage):
                progress.total_bytes *= 2  # the same bytes travel on to where the job runs
                self._engine.bring(job=self.build_job(folder, accepted), on_bytes=progress.add)
            write_json(folder.path / STAGED, {"boot_id": read_boot_id()}, durable=False)  # of this boot alone
        except EngineRefused as error:
            end_unrun(folder, now=self._clock(), reason=Reason.ENGINE_REFUSED, detail=error.detail)
        except EnvironmentFailed as error:
            end_unrun(folder, now=self._clock(), reason=Reason.ENVIRONMENT_FAILED, detail=error.detail)
        except DiskTooSmall as error:
            end_unrun(folder, now=self._clock(), reason=Reason.DISK_EXCEEDED, detail=error.detail)
        except (StagingInvalid, ManifestInvalid) as error:
            end_unrun(folder, now=self._clock(), reason=Reason.STAGING_FAILED, detail=error.detail, fault=Fault.MEMBER)
        except (HubRefused, ObjectDamaged) as error:
            end_unrun(folder, now=self._clock(), reason=Reason.STAGING_FAILED, detail=error.detail, fault=Fault.HUB)
        except (HostDiskFull, OSError) as error:
            end_unrun(folder, now=self._clock(), reason=Reason.STAGING_FAILED, detail=str(error), fault=Fault.PROVIDER)

    def collect(
        self, folder: AttemptFolder, accepted: Accepted, *, native: NativeState, metered: Metered | None
    ) -> None:
        """Find what the ended job leaves, then write down the end: outputs that lack or exceed decide it, too."""
        if isinstance(self._engine, CanStage):
            self._fetch(self._engine, folder, accepted)
        owner = (read_json(folder.path / "owned.json") or {}).get("uid")
        outputs, problem, detail = collect_outputs(
            folder=folder, submit=accepted.submit, end=native, uid=owner if isinstance(owner, int) else None
        )
        write_json(folder.path / OUTPUTS, outputs)
        reason = problem or native.reason or Reason.KILLED_BY_SIGNAL
        state, fault = ENDS[reason] if problem else (native.state, native.fault or ENDS[reason][1])
        ended = Ended(
            state=state,
            reason=reason,
            fault=fault,
            detail=" ".join(text for text in (native.detail, detail) if text)[:1000],
            started_at=native.started_at,
            ended_at=native.ended_at or self._clock(),
            exit_code=native.exit_code,
            nodes=native.nodes,
            allocated=native.allocated,
            usage=metered.usage if metered else Usage(),
            log_bytes=dict(native.log_bytes),
        )
        write_json(folder.path / ENDED, ended)

    def build_job(self, folder: AttemptFolder, accepted: Accepted) -> Job:
        """Return the attempt as the engine takes it; its files are staged."""
        submit = accepted.submit
        return Job(
            attempt_id=submit.attempt_id,
            run_id=submit.run_id,
            number=submit.number,
            organisation_id=submit.organisation_id,
            charge_code=submit.charge_code,
            hub_id=accepted.hub_id,
            token=submit.token,
            nonce=submit.nonce,
            report_key=accepted.report_key,
            spec=submit.spec,
            environment=submit.environment,
            authorised_ms=submit.authorised_ms,
            queue_wait_s=submit.queue_wait_s,
            folder=folder.path,
            environment_folder=self._environments.find(submit.environment.digest),
            secrets_folder=self._secrets.find(submit.attempt_id) if submit.spec.secrets else None,
        )

    def _fetch(self, engine: CanStage, folder: AttemptFolder, accepted: Accepted) -> None:
        """Bring what `collect_outputs` looks for to this machine."""
        spec = accepted.submit.spec
        limit = spec.resources.disk_mib * MIB * spec.nodes
        wanted = {output.path: output.max_bytes for output in spec.outputs}
        wanted |= {one.mount: limit for one in spec.inputs if one.volume_id is not None and not one.read_only}
        wanted |= {spec.checkpoint.path: limit} if spec.checkpoint is not None else {}
        engine.fetch(ref=read_ref(folder), wanted=wanted)

    def upload(self, folder: AttemptFolder) -> None:
        """Send the rest of the logs and every kept object; then everything of the attempt is complete."""
        ended = read_model(folder.path / ENDED, Ended)
        outputs = read_model(folder.path / OUTPUTS, Outputs) or Outputs()
        if ended is not None:
            try:
                sizes = ended.log_bytes
                self._uploads.send_logs(attempt_id=folder.attempt_id, ref=read_ref(folder), log_bytes=sizes)
                self._uploads.send_objects(folder=folder, outputs=outputs)
            except HubRefused as refusal:
                raise HubAway(detail=f"The hub refused an upload: {refusal.detail}") from refusal
            write_json(folder.path / COMPLETE, {}, durable=False)  # uploads may be repeated


def end_unrun(
    folder: AttemptFolder,
    *,
    now: datetime,
    reason: Reason,
    detail: str,
    fault: Fault | None = None,
    asked_by_hub: bool = False,
) -> None:
    """Write down the end of an attempt that the engine does not run. `fault` when it is not the reason's usual one."""
    state, usual = end_for(reason, asked_by_hub=asked_by_hub)
    ended = Ended(state=state, reason=reason, fault=fault or usual, detail=detail[:1000], ended_at=now)
    write_json(folder.path / ENDED, ended)
