"""The slow steps of an attempt. Each may be cut off at any point and done again; each ends by writing one fact."""

from collections.abc import Callable
from datetime import datetime

from lilong.agent.cache import ObjectDamaged
from lilong.agent.ends import ENDS, end_for
from lilong.agent.engines.port import Metered, NativeState
from lilong.agent.environments import EnvironmentFailed, EnvironmentStore
from lilong.agent.hub import HubAway, HubRefused
from lilong.agent.outputs import Outputs, collect_outputs
from lilong.agent.spool import COMPLETE, ENDED, OUTPUTS, AttemptFolder, read_json, read_model, read_ref, write_json
from lilong.agent.staging import DiskTooSmall, HostDiskFull, Progress, SecretFolders, Stager, StagingInvalid
from lilong.agent.steps import Accepted, Ended
from lilong.agent.uploads import Uploads
from lilong.protocol.manifest import ManifestInvalid
from lilong.protocol.messages import Fault, Reason, Usage


class Work:
    """Staging, collecting and uploading, with what they need."""

    def __init__(
        self,
        *,
        stager: Stager,
        environments: EnvironmentStore,
        secrets: SecretFolders,
        uploads: Uploads,
        clock: Callable[[], datetime],
    ) -> None:
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
            usage=metered.usage if metered else Usage(),
            log_bytes=dict(native.log_bytes),
        )
        write_json(folder.path / ENDED, ended)

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
            write_json(folder.path / COMPLETE, {})


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
