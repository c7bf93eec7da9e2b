"""Two deaths during the job: the agent's, which nobody should notice, and the shim's, which takes the job with it."""

import os
import signal

from lilong.cli.demo.chance import Chance
from lilong.cli.demo.folder import list_shims
from lilong.cli.demo.narrator import Narrator
from lilong.cli.demo.stage import Stage, wait_for
from lilong.common.errors import InvariantBroken


class AttemptLost(InvariantBroken):
    """The job did not outlive its agent."""

    code = "demo.attempt_lost"
    title = "The attempt did not go on after the agent was killed"
    next_step = "Read the agent's log in the folder `run` of the hub's home."


class Mischief:
    """Kills the agent and later the shim, each once, when their seconds have come."""

    def __init__(self, *, stage: Stage, run_id: str, chance: Chance, narrator: Narrator) -> None:
        self._stage = stage
        self._run_id = run_id
        self._chance = chance
        self._narrator = narrator
        self._agent_pid = 0
        self._shim_pid = 0

    def act(self, *, running_s: float) -> None:
        """Kill what is due after so many seconds of the job."""
        if not self._agent_pid and running_s >= self._chance.agent_killed_after_s:
            self._kill_agent(running_s)
        elif self._agent_pid and not self._shim_pid and running_s >= self._chance.shim_killed_after_s:
            self._kill_shim(running_s)

    def _kill_agent(self, running_s: float) -> None:
        self._agent_pid = wait_for(lambda: self._stage.hub.find_pid("agent"), what="start the agent")
        os.kill(self._agent_pid, signal.SIGKILL)
        self._narrator.warn(
            f"After {running_s:.1f} s: kill -9 {self._agent_pid}, the agent. Its job should not notice."
        )

    def _kill_shim(self, running_s: float) -> None:
        """Kill the shim once another agent follows the same attempt."""
        agent_pid = wait_for(self._find_new_agent, what="start the agent again")
        run = self._stage.engineer.runs.get(self._run_id)
        if len(run.attempts) != 1 or run.state != "active":
            raise AttemptLost(detail=f"The run is {run.state} with {len(run.attempts)} attempts.")
        shims = list_shims(self._stage.hub.home)
        if len(shims) != 1:
            raise AttemptLost(detail=f"There are {len(shims)} shims.")
        self._shim_pid = shims[0]
        self._narrator.warn(
            f"After {running_s:.1f} s: the new agent {agent_pid} follows the same attempt. "
            f"kill -9 {self._shim_pid}, the shim: the job dies with it."
        )
        os.kill(self._shim_pid, signal.SIGKILL)

    def _find_new_agent(self) -> int:
        pid = self._stage.hub.find_pid("agent")
        return pid if pid and pid != self._agent_pid else 0
