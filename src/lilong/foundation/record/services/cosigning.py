"""Having the newest head cosigned by every witness that lags behind it."""

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from lilong.common.errors import LilongError
from lilong.common.ids import new_id
from lilong.foundation.record.core.witnesses import WitnessAddress
from lilong.foundation.record.models import Cosignature, Head, Witness
from lilong.foundation.record.queries.heads import find_open_log, list_witnesses
from lilong.foundation.record.queries.trees import prove_consistency
from lilong.foundation.record.services.standing import note_confirmed, note_doubt, note_problem
from lilong.foundation.record.witness_client import CosignAnswer, WitnessUnreachable, request_cosignature
from lilong.protocol.checkpoint import list_signers, parse_note
from lilong.protocol.witnessing import CosignRequest


def list_lagging_witnesses(*, now: datetime) -> list[WitnessAddress]:
    """Return the witnesses that have not cosigned the newest head, but for those that just failed to answer."""
    head = _find_newest_head()
    if head is None:
        return []
    keys = {*Cosignature.objects.filter(head=head).values_list("witness_key", flat=True)}
    keys |= {*Witness.objects.filter(retry_at__gt=now).values_list("key", flat=True)}
    return [witness for witness in list_witnesses() if witness.key.text not in keys]


def collect_cosignatures(*, now: datetime) -> None:
    """Ask lagging witnesses for the newest head, outside of any transaction; what they sign is checked and kept."""
    head = _find_newest_head()
    if head is None:
        return
    for witness in list_lagging_witnesses(now=now):
        try:
            answer = _ask(witness, head)
            if answer.lines:
                _keep(witness, head, answer.lines)
                note_confirmed(witness=witness, now=now)
            elif answer.contradicts or answer.last_size is not None:
                note_doubt(witness=witness)
            else:
                note_problem(witness=witness, problem=answer.problem, now=now)
        except (WitnessUnreachable, LilongError) as error:
            note_problem(witness=witness, problem=str(error), now=now)


def _find_newest_head() -> Head | None:
    log = find_open_log()
    return Head.objects.filter(log=log).order_by("-size").select_related("log").first() if log else None


def _ask(witness: WitnessAddress, head: Head) -> CosignAnswer:
    """Ask from the last head that we know it cosigned; when it says another size, once more from there."""
    known = Cosignature.objects.filter(head__log=head.log, witness_key=witness.key.text)
    old_size = known.aggregate(size=Max("head__size"))["size"] or 0
    answer = request_cosignature(url=witness.url, request=_request(head, old_size))
    if answer.last_size is not None and answer.last_size != old_size and answer.last_size <= head.size:
        return request_cosignature(url=witness.url, request=_request(head, answer.last_size))
    return answer


def _request(head: Head, old_size: int) -> CosignRequest:
    proof = prove_consistency(log=head.log, old_size=old_size, new_size=head.size) if old_size else ()
    return CosignRequest(old_size=old_size, proof=proof, note=head.note)


def _keep(witness: WitnessAddress, head: Head, lines: str) -> None:
    note = parse_note(head.note + lines)
    list_signers(note=note, keys=[witness.key])
    ours = [line for line in note.lines if (line.name, line.key_id) == (witness.key.name, witness.key.id)]
    if not ours:
        raise WitnessUnreachable("It answered without a signature of its key.")
    with transaction.atomic():
        cosigned = Cosignature(id=new_id("cos"), head=head, witness_key=witness.key.text, line=ours[0].text)
        Cosignature.objects.bulk_create([cosigned], ignore_conflicts=True)
