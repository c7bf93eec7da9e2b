"""What people read of a rule in their language: why it pays nothing, and what would make it pass."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import get_language, gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from lilong.platforms.funding.core.deciding import Code, Condition, Refused, Threshold
from lilong.platforms.funding.core.rules import ClawBackReason, Earmark, Origin, Purpose, Words
from lilong.platforms.funding.queries.entitlement import DecisionView

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

    Labels = Mapping[str, _StrOrPromise]

PURPOSES: "Labels" = {
    Purpose.FILED_MODEL: _("Services of a model that is filed"),
    Purpose.RESEARCH: _("Research"),
    Purpose.TEACHING: _("Teaching"),
    Purpose.PUBLIC_SERVICE: _("Services for the public"),
}

EARMARKS: "Labels" = {
    Earmark.COMPUTE: pgettext_lazy("earmark", "Computing power"),
    Earmark.MODEL: pgettext_lazy("earmark", "Models"),
    Earmark.CORPUS: pgettext_lazy("earmark", "Corpora"),
    Earmark.STORAGE: pgettext_lazy("earmark", "Storage"),
    Earmark.LABELLING: pgettext_lazy("earmark", "Labelling"),
}

ACCELERATORS: "Labels" = {
    Origin.HOME: _("Accelerators from home"),
    Origin.OTHER: _("Accelerators from elsewhere"),
    Origin.NONE: _("No accelerators"),
}

PROVIDERS: "Labels" = {
    Origin.HOME: _("Providers from home"),
    Origin.OTHER: _("Providers from elsewhere"),
}

CLAW_BACKS: "Labels" = {
    ClawBackReason.FALSE_DECLARATION: _("something was declared that is not so"),
    ClawBackReason.RELATED_PARTY: _("the provider turns out to be a related party"),
    ClawBackReason.CLAIMED_TWICE: _("the same price was claimed elsewhere too"),
    ClawBackReason.OTHER_PURPOSE: _("it was used for something else"),
    ClawBackReason.PRODUCT_WITHDRAWN: _("what it was used for was withdrawn"),
}

REASONS: "Mapping[Code, _StrOrPromise]" = {
    Code.NOT_ADMITTED: _("Your organisation is not admitted yet. It follows with the admission."),
    Code.EARMARK_UNSOLD: _("This hub does not sell what it pays for yet."),
    Code.NO_RATE: _("Its rule has no rate for you now."),
    Code.YEAR_CAP_REACHED: _(
        "Of the %(wanted)s credits that it pays for one organisation in a calendar year %(actual)s are used, live "
        "quotes included. It pays again in the next year."
    ),
    Code.YEAR_BUDGET_REACHED: _(
        "Of the %(wanted)s credits that the programme may issue in a calendar year %(actual)s are issued: too little "
        "is left. It issues again in the next year."
    ),
}

CONDITIONS: "Mapping[Condition, _StrOrPromise]" = {
    Condition.ACCELERATOR: _("accelerators of another origin"),
    Condition.PROVIDER: _("a provider of another origin"),
    Condition.AGE_MONTHS: _("founded less than %(wanted)s months ago; yours is %(actual)s months old"),
    Condition.HEAD_COUNT: _("at most %(wanted)s people; you declare %(actual)s"),
    Condition.PURPOSE: _("a purpose that you do not declare: %(wanted)s"),
}


def say_words(words: Words) -> str:
    """Return a published text in the reader's language."""
    return words.zh if (get_language() or "").startswith("zh") else words.en


def say_refusal(refused: Refused) -> str:
    """Return why a rule pays nothing."""
    facts = [{"wanted": each.wanted, "actual": each.actual} for way in refused.ways for each in way]
    return str(REASONS[refused.code]) % (facts[0] if facts else {})


def say_ways(refused: Refused) -> list[str]:
    """Return what would make it pass: one sentence for each way, the nearest first; none where only time does."""
    if refused.code is not Code.NO_RATE:
        return []
    ways = [gettext("; ").join(_say(threshold) for threshold in way) for way in refused.ways]
    return [
        gettext("Or with: %(way)s.") % {"way": way}
        if number
        else gettext("It would pass with: %(way)s.") % {"way": way}
        for number, way in enumerate(ways)
    ]


def say_decision(decision: DecisionView) -> list[str]:
    """Return why a voucher was refused, in sentences; none where it was given."""
    if not decision.code:
        return []
    way = tuple(
        Threshold(Condition(str(each["condition"])), str(each["wanted"]), str(each["actual"]))
        for each in decision.thresholds
    )
    refused = Refused(Code(decision.code), ways=(way,) if way else ())
    return [say_refusal(refused), *say_ways(refused)]


def _say(threshold: Threshold) -> str:
    wanted = threshold.wanted
    if threshold.condition is Condition.PURPOSE:
        wanted = gettext(", ").join(str(PURPOSES[Purpose(each)]) for each in wanted.split(", "))
    return str(CONDITIONS[threshold.condition]) % {"wanted": wanted, "actual": threshold.actual or gettext("nothing")}
