from lilong.protocol.messages import Reason
from lilong.protocol.reasons import SENTENCES


def test_every_reason_is_said_in_one_sentence_of_its_own():
    assert set(SENTENCES) == set(Reason)
    assert len(set(SENTENCES.values())) == len(Reason)
    assert all(said.endswith(".") and ". " not in said for said in SENTENCES.values())
