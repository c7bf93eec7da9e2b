"""Hand in the next version of a programme's rule, and put it in force once somebody else approved it."""

from datetime import datetime

from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import Conflict, FieldProblem, InputInvalid
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.cases.public import CaseState, get_many, open_case
from lilong.platforms.funding.core.packs import ProposalState, RulePack, read_pack, run_cases
from lilong.platforms.funding.models import Programme, RuleProposal
from lilong.platforms.funding.queries.publishing import find_next_version
from lilong.platforms.funding.services.programmes import OPERATORS, add_version, lock_programme

PUBLISH_CASE = "funding.publish_rule"


class PackRefused(InputInvalid):
    """The pack cannot be published as it is."""

    code = "funding.pack_refused"
    title = "This rule cannot be published"
    next_step = "Correct the file or the moment, and try it on past orders before you hand it in again."


class VersionTaken(Conflict):
    """The number stands for other bytes already, or another version waits for its approval."""

    code = "funding.version_taken"
    title = "This version cannot be handed in"
    next_step = "Give the file the next number once no other version waits."


def propose_rule(*, actor: Actor, programme_id: str, pack: str, valid_from: datetime, now: datetime) -> str:
    """Hand in the next version of a programme's rule as a TOML text; return the case that another operator decides.

    It must say its number and cases that all pass. The same text for the same moment again is the same proposal.
    Vouchers and quotes that are there keep the version that they name. Raises NotAllowed, NotFound,
    VoucherRuleInvalid, PackRefused, VersionTaken.
    """
    require(may(actor, roles=OPERATORS, scope=Scope.OPERATE))
    read = read_pack(text=pack)
    with transaction.atomic():
        programme = lock_programme(programme_id=programme_id)
        pack_sha256 = sha256_hex(pack.encode())
        known = programme.proposals.filter(version=read.version or 0).first()
        if known is not None and (known.pack_sha256, known.valid_from) == (pack_sha256, valid_from):
            return known.case_id
        version = _check(programme, read, valid_from=valid_from, now=now)
        proposal_id = new_id("rlp")
        case_id = open_case(
            kind=PUBLISH_CASE,
            subject_id=proposal_id,
            organisation_id="",
            opened_by=actor.person_id,
            facts={
                "pack_sha256": pack_sha256,
                "programme": programme.name,
                "proposal_id": proposal_id,
                "rule_sha256": read.rule.sha256,
                "rule_version": version,
                "valid_from": format_moment(valid_from),
            },
            now=now,
        )
        RuleProposal.objects.create(
            id=proposal_id,
            programme=programme,
            version=version,
            pack=pack,
            pack_sha256=pack_sha256,
            valid_from=valid_from,
            proposed_by=actor.person_id,
            proposed_at=now,
            case_id=case_id,
        )
    return case_id


def settle_proposal(*, proposal_id: str, now: datetime) -> None:
    """Publish a version that its case approved, or close one that was refused. Idempotent, one transaction."""
    with transaction.atomic():
        programme = lock_programme(programme_id=RuleProposal.objects.get(id=proposal_id).programme_id)
        proposal = RuleProposal.objects.get(id=proposal_id)
        case = get_many(case_ids=[proposal.case_id])[proposal.case_id]
        if proposal.state != ProposalState.OPEN or case.state is CaseState.OPEN:
            return
        is_approved = case.state is CaseState.APPROVED
        proposal.state = ProposalState.PUBLISHED if is_approved else ProposalState.REFUSED
        proposal.save(update_fields=["state"])
        if is_approved:
            add_version(
                programme=programme,
                rule=read_pack(text=proposal.pack).rule,
                version=proposal.version,
                valid_from=max(proposal.valid_from, now),
                pack_sha256=proposal.pack_sha256,
                now=now,
            )


def settle_proposals(*, now: datetime) -> None:
    """Settle what cases decided: found in the tables alone."""
    waiting = dict(RuleProposal.objects.filter(state=ProposalState.OPEN).values_list("case_id", "id"))
    for case in get_many(case_ids=list(waiting)).values():
        if case.state is not CaseState.OPEN:
            settle_proposal(proposal_id=waiting[case.id], now=now)


def _check(programme: Programme, read: RulePack, *, valid_from: datetime, now: datetime) -> int:
    """Return the number of a pack that can be handed in; raises PackRefused, VersionTaken."""
    problems: list[FieldProblem] = []
    last = programme.rules.latest("version")
    if valid_from < max(now, last.valid_from):
        earliest = format_moment(max(now, last.valid_from))
        message = say(
            "It cannot be in force before {earliest}: the past stays, and versions follow.", earliest=earliest
        )
        problems.append(FieldProblem(path="valid_from", code="funding.valid_from_past", message=message))
    failed = [result.name for result in run_cases(pack=read) if not result.has_passed]
    for name in failed:
        message = say("Its own case fails: {name}", name=name)
        problems.append(FieldProblem(path="pack", code="funding.case_failed", message=message))
    if not read.cases:
        message = say("It has no cases. Say in [[cases]] what it must pay, worked out by hand.")
        problems.append(FieldProblem(path="pack", code="funding.no_cases", message=message))
    next_version = find_next_version(programme=programme)
    if read.version is None:
        message = say("It does not say its number. Write version = {version}.", version=next_version)
        problems.append(FieldProblem(path="pack", code="funding.no_version", message=message))
    if problems or read.version is None:
        raise PackRefused(fields=problems)
    if read.version != next_version:
        why = say(
            "Version {version} is another one. The next is version {next}.", version=read.version, next=next_version
        )
        raise VersionTaken(detail=why)
    if programme.proposals.filter(state=ProposalState.OPEN).exists():
        raise VersionTaken(detail=say("Another version of this programme's rule waits for its approval."))
    return read.version
