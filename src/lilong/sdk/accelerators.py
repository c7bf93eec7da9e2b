"""Accelerators and what is claimed of them."""

from datetime import date, datetime

from lilong.sdk.noun import Answer, Noun, address


class Accelerator(Answer):
    """An accelerator by its id, and what people call it."""

    id: str
    name: str
    vendor: str
    country: str
    aliases: tuple[str, ...]


class Source(Answer):
    """Where a claim was read; dated_on: None where the source bears no date."""

    title: str
    url: str = ""
    commit: str = ""
    dated_on: date | None = None


class End(Answer):
    """Why a claim holds no more: withdrawn at this hub, or superseded by a release of what ships with Lilong."""

    reason: str
    withdrawn_at: datetime | None = None
    superseded_by: int | None = None


class Claim(Answer):
    """What somebody says of an accelerator. tier: measured, datasheet, operator or press; conditions: when it holds."""

    id: str
    accelerator: str
    property: str
    value: str
    unit: str
    conditions: str
    tier: str
    confidence: str
    sources: tuple[Source, ...]
    note: str
    is_conflicting: bool
    release: int | None = None
    added_at: datetime | None = None
    run_id: str = ""
    end: End | None = None


class Dossier(Answer):
    """An accelerator with what is claimed of it, by property and best first, and what is claimed no more."""

    accelerator: Accelerator
    release: int
    release_sha256: str
    claims: tuple[Claim, ...]
    ended: tuple[Claim, ...]


class _Registry(Answer):
    items: tuple[Accelerator, ...]


class Accelerators(Noun):
    """What the hub knows of accelerators. Reading needs no token."""

    def list(self) -> tuple[Accelerator, ...]:
        """Return every accelerator that the hub knows by name."""
        return self._get(_Registry, address("accelerators")).items

    def get(self, name: str) -> Dossier:
        """Return what is claimed of an accelerator, by any of its names."""
        return self._get(Dossier, address("accelerators", name))

    def get_claim(self, claim_id: str) -> Claim:
        """Return one claim, whether it holds or not."""
        return self._get(Claim, address("claims", claim_id))

    def add_claim(
        self,
        name: str,
        *,
        property: str,  # noqa: A002 - the word of the API
        value: str,
        tier: str,
        confidence: str,
        source: Source,
        conditions: str = "",
        note: str = "",
    ) -> str:
        """Add a claim about an accelerator and return its id; for operators."""
        body = {
            "property": property,
            "value": value,
            "tier": tier,
            "confidence": confidence,
            "source": source.model_dump(mode="json"),
            "conditions": conditions,
            "note": note,
        }
        return self._create(address("accelerators", name, "claims"), json=body)

    def withdraw_claim(self, claim_id: str, *, reason: str) -> Claim:
        """Withdraw a claim for good and return it with its end; for operators."""
        return self._post(Claim, address("claims", claim_id, "withdraw"), json={"reason": reason})
