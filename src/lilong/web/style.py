"""What the style page shows: made-up figures in every part that pages are made of."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from lilong.common.django.charts import Chart, Paint, Series, Step
from lilong.common.time import list_weeks
from lilong.web.labels import LABELS

COLOURS = ("paper", "raised", "sunken", "ink", "ink-soft", "rule", "control", "brick", "good", "busy", "warn", "bad")
STEPS_OF_SPACE = (1, 2, 3, 4, 5, 6, 7)
USE = (12, 18, 17, 25, 31, 28, 40, 44, 39, 52, 61, 58, 66)


@dataclass(frozen=True, slots=True)
class SpecimenOrder:
    """A row of the specimen table."""

    id: str
    name: str
    state: str
    max_uc: int
    seconds: int
    size_bytes: int
    placed_at: datetime


class SpecimenForm(forms.Form):
    """One field of each kind, two of them wrong."""

    name = forms.CharField(label=_("Name of the job"), help_text=_("Letters, digits and dashes."))
    most = forms.CharField(label=_("Most that it may cost"), help_text=_("In credits, such as 12.5."))
    pool = forms.ChoiceField(
        label=_("Pool"), choices=[("", "–"), ("a", "lane-3"), ("b", "campus-west")], required=False
    )
    note = forms.CharField(label=_("Note"), widget=forms.Textarea, required=False)
    fast = forms.BooleanField(label=_("Let another pool take it when this one is busy"), required=False)


def build_specimens(*, now: datetime) -> dict[str, object]:
    """Return the variables of the style page."""
    states = ("active", "settled", "refused", "disputed")
    orders = [
        SpecimenOrder(
            id=f"ord_01970000000070008000{number:012x}",
            name=("resnet-50", "tokenise", "finetune-7b", "evaluate")[number],
            state=state,
            max_uc=(6_857_114, 12_500_000, 1_240_000_000, 1)[number],
            seconds=(93_784, 5_400, 604_800, 9)[number],
            size_bytes=(1_536, 734_003_200, 48 * 1024**3, 0)[number],
            placed_at=now - timedelta(hours=3 * number, minutes=number),
        )
        for number, state in enumerate(states)
    ]
    chart = Chart(
        name="specimen",
        title=_("Earned by week"),
        step=Step.WEEK,
        edges=list_weeks(now=now, count=len(USE)),
        series=[
            Series(label=_("Earned"), paint=Paint.INK, amounts_uc=[share * 7_250_000 for share in USE]),
            Series(label=_("Given back"), paint=Paint.BRICK, amounts_uc=[-share * 910_000 for share in reversed(USE)]),
        ],
    )
    return {
        "chart": chart,
        "colours": COLOURS,
        "spaces": STEPS_OF_SPACE,
        "labels": {noun: list(codes) for noun, codes in LABELS.items()},
        "orders": orders,
        "use": USE,
        "now": now,
        "form": SpecimenForm({"name": "resnet 50", "most": ""}),
        "sort": "-placed",
    }
