"""Tables of organisations and of their people."""

from lilong.foundation.members.models.evidence import (
    Consent,
    Evidence,
    EvidenceUse,
    OutcomeAnswer,
    OwnershipShare,
)
from lilong.foundation.members.models.organisations import (
    Organisation,
    OrganisationStanding,
    StandingApplication,
)
from lilong.foundation.members.models.people import (
    FactorLoss,
    Invitation,
    Mail,
    Membership,
    Person,
    RefusedMail,
    Secret,
    SharedCacheRow,
    Token,
)

__all__ = [
    "Consent",
    "Evidence",
    "EvidenceUse",
    "FactorLoss",
    "Invitation",
    "Mail",
    "Membership",
    "Organisation",
    "OrganisationStanding",
    "OutcomeAnswer",
    "OwnershipShare",
    "Person",
    "RefusedMail",
    "Secret",
    "SharedCacheRow",
    "StandingApplication",
    "Token",
]
