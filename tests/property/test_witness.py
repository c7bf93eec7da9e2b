from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lilong.protocol.checkpoint import Checkpoint
from lilong.protocol.witnessing import CosignRequest
from lilong.witness.core import Cosigned, TrustedLog, decide_cosign
from tests.witnessed_log import FORKED, LOG_KEY, TRUE, WITNESS_KEY

histories = st.sampled_from([TRUE, FORKED])
sizes = st.integers(1, 40)


class LyingLog(RuleBasedStateMachine):
    """A log that signs heads of two histories in any order, with true, false and stolen proofs."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = {LOG_KEY.name: TrustedLog(keys=(LOG_KEY.verifier,))}
        self.cosigned: list[Checkpoint] = []

    @rule(history=histories, size=sizes, proven=histories, old_size=st.integers(0, 40), from_size=st.integers(0, 40))
    def ask(self, history, size, proven, old_size, from_size):
        self._show(history, size, proven.proof(from_size, size), old_size)

    @rule(history=histories, size=sizes)
    def ask_knowing_the_last_size(self, history, size):
        old_size = self.cosigned[-1].size if self.cosigned else 0
        self._show(history, size, history.proof(old_size, size), old_size)

    def _show(self, history, size, proof, old_size):
        request = CosignRequest(old_size=old_size, proof=proof, note=history.note(size)).render()
        decided = decide_cosign(request, logs=self.logs, key=WITNESS_KEY, now_s=1)
        if isinstance(decided, Cosigned):
            self.logs[decided.origin] = decided.log
            self.cosigned.append(history.head(size))

    @invariant()
    def all_that_was_cosigned_is_one_growing_history(self):
        sizes = [head.size for head in self.cosigned]
        assert sizes == sorted(sizes)
        assert any(all(history.head(head.size) == head for head in self.cosigned) for history in (TRUE, FORKED))


LyingLog.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestLyingLog = LyingLog.TestCase
