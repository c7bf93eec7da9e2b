"""Reads of what is claimed of accelerators: what ships with Lilong and what was added here, best first."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files

from lilong.common.canonical import sha256_hex
from lilong.common.errors import InvariantBroken, NotFound
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.platforms.stack.core.claims import Claim, Confidence, Finding, Source, Tier, arrange_claims
from lilong.platforms.stack.core.releases import Release, Shipped, merge_releases, read_release
from lilong.platforms.stack.models import AddedClaim, Withdrawal
from lilong.protocol.accelerators import Accelerator, AcceleratorUnknown, list_accelerators, resolve

RELEASES: Mapping[str, str] = {
    "accelerators-1.toml": "86e6276283d8bc0baf56b989149f4dd1824432106fd96c4b046bad37e54f09d6",
}
"""Files of claims, oldest first, each frozen by its SHA-256. A next release is a line here; no line ever goes."""

COMPARED = ("memory_gb", "memory_bandwidth_gb_s", "fp16_bf16_dense_tflops", "software_stack")
"""What the list of accelerators shows of each."""


class ReleaseAltered(InvariantBroken):
    """A file of claims is not the one that was released."""

    code = "claim.release_altered"
    title = "The claims that ship with Lilong were altered"
    next_step = "Install Lilong again; what you know better, add as a claim of this hub."


class AcceleratorMissing(NotFound):
    """No accelerator has this name; `detail` names the nearest."""

    code = "accelerator.missing"
    title = "There is no such accelerator"
    next_step = "Use a name that is proposed here, or look at the list of accelerators."


class ClaimMissing(NotFound):
    """Nothing is or was claimed under this id."""

    code = "claim.missing"
    title = "There is no such claim"
    next_step = "List what is claimed of the accelerator."


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Why a claim holds no more: it was withdrawn here at a moment for a reason, or a release superseded it."""

    reason: str = ""
    withdrawn_at: datetime | None = None
    superseded_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimView:
    """A claim and its end; None while it holds."""

    claim: Claim
    end: End | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What is claimed of one accelerator by property, best first, and what is claimed no more.

    release: what ships with Lilong now.
    """

    accelerator: Accelerator
    findings: tuple[Finding, ...]
    ended: tuple[ClaimView, ...]
    release: Release

    def find(self, code: str) -> Finding | None:
        """Return what is claimed of one property; None where nothing is."""
        return next((finding for finding in self.findings if finding.property.code == code), None)


@lru_cache(maxsize=1)
def load_shipped() -> Shipped:
    """Return what ships with Lilong; raises ReleaseAltered."""
    releases: list[Release] = []
    for name, frozen in RELEASES.items():
        content = (files("lilong.platforms.stack") / "claims" / name).read_bytes()
        if sha256_hex(content) != frozen:
            raise ReleaseAltered(detail=say("{name} has the SHA-256 {sha256}.", name=name, sha256=sha256_hex(content)))
        releases.append(read_release(document=tomllib.loads(content.decode()), sha256=frozen))
    return merge_releases(releases)


def get_accelerator(*, name: str) -> Accelerator:
    """Return the accelerator with this id or any other name. Raises AcceleratorMissing with the nearest names."""
    try:
        return resolve(name)
    except AcceleratorUnknown as unknown:
        raise AcceleratorMissing(detail=unknown.detail) from unknown


def get_dossier(*, actor: Actor, name: str) -> Dossier:
    """Return all that is claimed of an accelerator, by any of its names. Two queries. Raises AcceleratorMissing."""
    accelerator = get_accelerator(name=name)
    rows = AddedClaim.objects.visible_to(actor).filter(accelerator=accelerator.id)
    ends = Withdrawal.objects.filter(accelerator=accelerator.id)
    return _compile(accelerator, _view_all(rows, ends=ends))


def list_dossiers(*, actor: Actor, properties: Sequence[str]) -> list[Dossier]:
    """Return what is claimed of every accelerator in these respects, in the order of the registry. Two queries."""
    views: dict[str, list[ClaimView]] = {accelerator.id: [] for accelerator in list_accelerators()}
    rows = AddedClaim.objects.visible_to(actor).filter(property__in=properties)
    for view in _view_all(rows, ends=Withdrawal.objects.all()):
        if view.claim.property in properties:
            views[view.claim.accelerator].append(view)
    return [_compile(accelerator, views[accelerator.id]) for accelerator in list_accelerators()]


def get_claim(*, actor: Actor, claim_id: str) -> ClaimView:
    """Return one claim, whether it holds or not. Two queries. Raises ClaimMissing."""
    rows = AddedClaim.objects.visible_to(actor).filter(id=claim_id)
    views = _view_all(rows, ends=Withdrawal.objects.filter(claim_id=claim_id))
    found = next((view for view in views if view.claim.id == claim_id), None)
    if found is None:
        raise ClaimMissing(detail=say("There is no claim {claim_id}.", claim_id=claim_id[:64]))
    return found


def view_claim(*, row: AddedClaim) -> Claim:
    """Return an added claim as the core knows it."""
    source = Source(title=row.source_title, url=row.source_url, commit=row.source_commit, dated_on=row.source_dated_on)
    return Claim(
        id=row.id,
        accelerator=row.accelerator,
        property=row.property,
        value=row.value,
        conditions=row.conditions,
        tier=Tier(row.tier),
        confidence=Confidence(row.confidence),
        sources=(source,),
        note=row.note,
        added_at=row.added_at,
        run_id=row.run_id,
    )


def _view_all(rows: Iterable[AddedClaim], *, ends: Iterable[Withdrawal]) -> list[ClaimView]:
    """Return what ships with Lilong, what a release superseded, and what was added, with what ended each."""
    shipped = load_shipped()
    ended = {end.claim_id: End(reason=end.reason, withdrawn_at=end.withdrawn_at) for end in ends}
    gone = {id_: End(superseded_by=each.by) for id_, each in shipped.superseded.items()}
    superseded = [each.claim for each in shipped.superseded.values()]
    added = [view_claim(row=row) for row in rows]
    return [
        ClaimView(claim=claim, end=ended.get(claim.id) or gone.get(claim.id))
        for claim in (*shipped.claims.values(), *superseded, *added)
    ]


def _compile(accelerator: Accelerator, views: Sequence[ClaimView]) -> Dossier:
    own = [view for view in views if view.claim.accelerator == accelerator.id]
    return Dossier(
        accelerator=accelerator,
        findings=arrange_claims(view.claim for view in own if view.end is None),
        ended=tuple(view for view in own if view.end is not None),
        release=load_shipped().newest,
    )
