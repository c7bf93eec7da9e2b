"""Carry every attempt of the spool one step on: stage, submit, watch, collect, upload. Slow steps run in threads.

Nothing is remembered that the spool does not hold, but for speed: a killed agent goes on with the same steps.
"""

import secrets as randomness
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from lilong.agent.accepted import Accepted
from lilong.agent.background import Background
from lilong.agent.ends import ENDS
from lilong.agent.engines.local.host import read_boot_id
from lilong.agent.engines.port import TERMINAL_STATES, CanStage, CanSubmitMany, Engine, Metered, NativeState
from lilong.agent.environments import EnvironmentStore
from lilong.agent.outputs import Outputs
from lilong.agent.spool import (
    CANCEL,
    COMPLETE,
    ENDED,
    OUTPUTS,
    STAGED,
    SUBMIT,
    SUBMITTED,
    AttemptFolder,
    Spool,
    read_json,
    read_model,
    read_ref,
    write_json,
)
from lilong.agent.staging import Progress, SecretFolders
from lilong.agent.steps import Ended, Known, Step, StepFacts, build_observation, next_step
from lilong.agent.uploads import Uploads
from lilong.agent.work import Work, end_unrun
from lilong.common.errors import EngineRefused, LilongError
from lilong.protocol.messages import Cancel, Extend, Observation, Reason, Submit

MISSES_UNTIL_LOST = 3

log = structlog.get_logger(__name__)


class Attempts:
    """All live attempts of one agent. Its methods belong to one thread; steps in threads write files alone."""

    def __init__(
        self,
        *,
        spool: Spool,
        engine: Engine,
        work: Work,
        environments: EnvironmentStore,
        secrets: SecretFolders,
        uploads: Uploads,
        background: Background,
        clock: Callable[[], datetime],
    ) -> None:
        self._spool = spool
        self._engine = engine
        self._work = work
        self._environments = environments
        self._secrets = secrets
        self._uploads = uploads
        self._background = background
        self._clock = clock
        self._accepted: dict[str, Accepted] = {}
        self._progress: dict[str, Progress] = {}
        self._native: dict[str, NativeState] = {}
        self._metered: dict[str, Metered] = {}
        self._misses: dict[str, int] = {}
        self._engine_told_all = False

    # Orders of the hub

    def accept(self, submit: Submit, *, hub_id: str) -> None:
        """Take on an attempt, once: secrets and submit.json are on this machine before anything else happens."""
        if self._spool.knows(submit.attempt_id):
            return
        self._secrets.write(attempt_id=submit.attempt_id, values=submit.secrets)
        accepted = Accepted(
            submit=submit.model_copy(update={"secrets": {}}),
            hub_id=hub_id,
            report_key=randomness.token_hex(32),
            accepted_at=self._clock(),
        )
        folder = self._spool.create(submit.attempt_id, {SUBMIT: accepted.model_dump_json().encode()})
        problems = self._engine.validate(spec=submit.spec)
        if problems:
            reason = Reason.ISOLATION_MISSING if problems[0].path == "isolation" else Reason.SPEC_REFUSED
            end_unrun(
                folder, now=self._clock(), reason=reason, detail=" ".join(problem.message for problem in problems)
            )

    def knows(self, attempt_id: str) -> bool:
        """Return whether the spool holds the attempt as a live one."""
        return (self._spool.folder(attempt_id).path / SUBMIT).exists()

    def cancel(self, command: Cancel) -> None:
        """Note the order to stop; the first one stands."""
        folder = self._spool.folder(command.attempt_id)
        reason = command.reason if command.reason in ENDS else Reason.CANCELLED_BY_HUB
        ref = read_ref(folder)
        if ref:
            self._engine.cancel(ref=ref, reason=reason, grace_s=command.grace_s)
        elif not folder.has(CANCEL):
            write_json(folder.path / CANCEL, {"reason": reason.value, "grace_s": command.grace_s})

    def extend(self, command: Extend) -> None:
        """Pass on more authority; an attempt that is not submitted yet starts with it."""
        folder = self._spool.folder(command.attempt_id)
        ref = read_ref(folder)
        if ref:
            self._engine.extend(ref=ref, authorised_ms=command.authorised_ms)
            return
        accepted = self._read_accepted(folder)
        if accepted is not None and command.authorised_ms > accepted.submit.authorised_ms:
            submit = accepted.submit.model_copy(update={"authorised_ms": command.authorised_ms})
            write_json(folder.path / SUBMIT, accepted.model_copy(update={"submit": submit}))
            self._accepted.pop(folder.attempt_id, None)

    def release(self, attempt_id: str) -> None:
        """Let go of an attempt that has ended; one that has not is kept, whatever the hub thinks."""
        folder = self._spool.folder(attempt_id)
        if folder.has(ENDED) and not self._background.is_running(attempt_id):
            if isinstance(self._engine, CanStage):
                self._engine.drop(attempt_id=attempt_id)
            self._secrets.drop(attempt_id)
            self._spool.release(folder)
            self._background.forget(attempt_id)
            for memory in (self._accepted, self._progress, self._native, self._metered, self._misses):
                memory.pop(attempt_id, None)

    def start_anew(self) -> None:
        """Offer and tell everything again: the hub has a new epoch."""
        self._spool.take_back()
        self._uploads.forget()
        for folder in self._spool.list_live():
            (folder.path / COMPLETE).unlink(missing_ok=True)

    # What is told

    def list_observations(
        self, *, wanted: Mapping[str, Mapping[int, int]], now: datetime
    ) -> tuple[list[Observation], bool]:
        """Return an observation of every attempt of which something is known, and whether those are all attempts.

        wanted: by attempt and rank, the sequence of the first report that the hub lacks.
        """
        found: list[Observation] = []
        complete = self._engine_told_all
        for folder in self._spool.list_live():
            accepted = self._read_accepted(folder)
            if accepted is None:
                continue
            name = folder.attempt_id
            progress = self._progress.get(name, Progress())
            known = Known(
                accepted=accepted,
                native_ref=read_ref(folder),
                native=self._native.get(name),
                metered=self._metered.get(name),
                ended=read_model(folder.path / ENDED, Ended),
                outputs=read_model(folder.path / OUTPUTS, Outputs),
                complete=folder.has(COMPLETE),
                staging_done_bytes=progress.done_bytes,
                staging_total_bytes=progress.total_bytes,
                note=self._background.note(name),
            )
            if known.native_ref and known.native is None and known.ended is None:
                complete = False  # the engine has not answered yet: silence is not a state
                continue
            found.append(build_observation(known, wanted=wanted.get(name, {}), now=now))
        return found, complete

    def list_environments_in_use(self) -> list[str]:
        """Return the digests of the environments that live attempts need."""
        accepted = [self._read_accepted(folder) for folder in self._spool.list_live()]
        return [one.submit.environment.digest for one in accepted if one is not None]

    # One step on

    def advance(self, *, may_start: bool) -> None:
        """Ask the engine, then carry every attempt on. `may_start`: the lease allows new submissions."""
        folders = self._spool.list_live()
        self._look(folders)
        to_submit: list[tuple[AttemptFolder, Accepted]] = []
        for folder in folders:
            accepted = self._read_accepted(folder)
            if accepted is None:
                continue
            native = self._native.get(folder.attempt_id)
            facts = StepFacts(
                cancelled=folder.has(CANCEL),
                staged=(read_json(folder.path / STAGED) or {}).get("boot_id") == read_boot_id(),
                submitted=folder.has(SUBMITTED),
                native_ended=native is not None and native.state in TERMINAL_STATES,
                ended=folder.has(ENDED),
                complete=folder.has(COMPLETE),
            )
            step = next_step(facts)
            if step is Step.SUBMIT and may_start:
                to_submit.append((folder, accepted))
            else:
                self._take(step, folder=folder, accepted=accepted)
        self._submit(to_submit)

    def _look(self, folders: Sequence[AttemptFolder]) -> None:
        """Read states and meters of all submitted jobs that have not ended, and count complete misses."""
        refs = {read_ref(folder): folder for folder in folders if folder.has(SUBMITTED)}
        live = {ref: folder for ref, folder in refs.items() if not folder.has(ENDED)}
        unread = [ref for ref, folder in refs.items() if ref in live or folder.attempt_id not in self._metered]
        self._engine_told_all = False
        try:
            observed = self._engine.observe(refs=list(live))
            metered = self._engine.usage(refs=unread)
        except LilongError as error:
            log.warning("engine does not answer", code=error.code, detail=error.detail)
            return
        self._engine_told_all = observed.complete
        for ref, one in metered.items():
            if ref in refs:
                self._metered[refs[ref].attempt_id] = one
        for ref, folder in live.items():
            name = folder.attempt_id
            state = observed.states.get(ref)
            if state is not None:
                self._native[name] = state
                self._misses.pop(name, None)
            elif observed.complete and ref not in metered:
                self._misses[name] = self._misses.get(name, 0) + 1
                if self._misses[name] >= MISSES_UNTIL_LOST:
                    end_unrun(
                        folder,
                        now=self._clock(),
                        reason=Reason.NODE_LOST,
                        detail="Queue and accounting of the engine lost it.",
                    )

    def _take(self, step: Step, *, folder: AttemptFolder, accepted: Accepted) -> None:
        name, start = folder.attempt_id, self._background.start
        if step is Step.STAGE:
            progress = self._progress.setdefault(name, Progress())
            start(kind=step, attempt_id=name, act=lambda: self._work.stage(folder, accepted, progress=progress))
        elif step is Step.END_UNSTARTED and not self._background.is_running(name):
            self._end_unstarted(folder, accepted)
        elif step is Step.COLLECT:
            native, metered = self._native[name], self._metered.get(name)
            act = lambda: self._work.collect(folder, accepted, native=native, metered=metered)  # noqa: E731
            start(kind=step, attempt_id=name, act=act)
        elif step is Step.UPLOAD:
            start(kind=step, attempt_id=name, act=lambda: self._work.upload(folder))
        elif step is Step.WATCH and name in self._native:
            sizes = dict(self._native[name].log_bytes)
            if self._uploads.is_log_behind(attempt_id=name, log_bytes=sizes):
                ref = read_ref(folder)
                act = lambda: self._uploads.send_logs(attempt_id=name, ref=ref, log_bytes=sizes)  # noqa: E731
                start(kind=step, attempt_id=name, act=act)

    def _submit(self, waiting: Sequence[tuple[AttemptFolder, Accepted]]) -> None:
        unclear: list[tuple[AttemptFolder, Accepted]] = []
        for (folder, accepted), answer in zip(waiting, self._submit_jobs(waiting), strict=True):
            if isinstance(answer, str):
                write_json(folder.path / SUBMITTED, {"ref": answer})
            elif isinstance(answer, EngineRefused):
                end_unrun(folder, now=self._clock(), reason=Reason.ENGINE_REFUSED, detail=answer.detail)
            else:
                name = folder.attempt_id
                log.warning("engine did not take a job", attempt=name, code=answer.code, detail=answer.detail)
                unclear.append((folder, accepted))
        with suppress(LilongError):  # whether it did is unknown: the next try looks again
            for folder, accepted in unclear:
                self._adopt(folder, accepted)

    def _submit_jobs(self, waiting: Sequence[tuple[AttemptFolder, Accepted]]) -> list[str | LilongError]:
        """Return for each the ref, or what stands against it."""
        jobs = [self._work.build_job(folder, accepted) for folder, accepted in waiting]
        if isinstance(self._engine, CanSubmitMany):
            said = self._engine.submit_many(jobs=jobs)
            return [said[job.attempt_id] for job in jobs]
        answers: list[str | LilongError] = []
        for job in jobs:
            try:
                answers.append(self._engine.submit(job=job))
            except LilongError as error:
                answers.append(error)
        return answers

    def _adopt(self, folder: AttemptFolder, accepted: Accepted) -> bool:
        """Write down a native job with our token that a cut-off submission has made; return whether there is one."""
        for job in self._engine.list_owned(hub_id=accepted.hub_id):
            if (job.attempt_id, job.token) == (folder.attempt_id, accepted.submit.token):
                write_json(folder.path / SUBMITTED, {"ref": job.ref})
                return True
        return False

    def _end_unstarted(self, folder: AttemptFolder, accepted: Accepted) -> None:
        order = read_json(folder.path / CANCEL) or {}
        reason, grace_s = Reason(str(order["reason"])), order.get("grace_s")
        try:
            if self._adopt(folder, accepted):
                grace = grace_s if isinstance(grace_s, int) else 0
                self._engine.cancel(ref=read_ref(folder), reason=reason, grace_s=grace)
                return
        except LilongError:
            return  # whether it was started is unknown: ask again
        end_unrun(
            folder,
            now=self._clock(),
            reason=reason,
            detail="It was stopped before it started.",
            asked_by_hub=True,
        )

    def _read_accepted(self, folder: AttemptFolder) -> Accepted | None:
        found = self._accepted.get(folder.attempt_id)
        if found is None:
            found = read_model(folder.path / SUBMIT, Accepted)
            if found is not None:
                self._accepted[folder.attempt_id] = found
        return found
