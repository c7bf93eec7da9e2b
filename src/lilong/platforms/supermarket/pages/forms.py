"""Forms of the supermarket."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from lilong.common.django.forms import MomentField
from lilong.common.django.once import KeyForm
from lilong.common.money import PPM, UC_PER_CREDIT, AmountInvalid, parse_credits
from lilong.platforms.supermarket.core.policy import ORDER_MAX_UC, PRICE_MAX_UC
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.services.archives import ARCHIVE_BYTES_MAX
from lilong.protocol.accelerators import list_accelerators
from lilong.protocol.spec_yaml import SPEC_BYTES_MAX


class PurposeForm(forms.Form):
    """What a large order is for."""

    purpose = forms.CharField(
        label=_("What it is for"),
        help_text=_("The operators who review it read this; the case keeps it."),
        required=False,
        max_length=1000,
        widget=forms.Textarea,
    )


class JobForm(KeyForm):
    """A job's file, its working folder as a zip, and the most that it may cost."""

    job = forms.FileField(
        label=_("The job's file"),
        help_text=_("YAML, as lilong run takes it: what to run, on what, for how long at most."),
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,text/yaml"}),
    )
    archive = forms.FileField(
        label=_("Working folder"),
        help_text=_(
            "A zip of the folder's files, at most 16 MiB. The job starts in that folder. "
            "For larger folders use lilong run, which sends only what has changed."
        ),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".zip,application/zip"}),
    )
    max_cost = forms.CharField(
        label=_("Most that it may cost"),
        help_text=_("In credits, vouchers included, such as 12.5. Offers that could cost more are left out."),
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    project = forms.CharField(
        label=_("Project"),
        help_text=_("Name of a project of your organisation that it is ordered for; its budgets count it."),
        required=False,
        max_length=63,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_job(self) -> bytes:
        """Return the bytes of the job's file."""
        return self._read("job", at_most=SPEC_BYTES_MAX, message=_("A job's file has at most 64 KiB."))

    def clean_archive(self) -> bytes:
        """Return the bytes of the archive, none without one."""
        if not self.cleaned_data.get("archive"):
            return b""
        return self._read("archive", at_most=ARCHIVE_BYTES_MAX, message=_("The archive has more than 16 MiB."))

    def clean_max_cost(self) -> int | None:
        """Return the limit in micro-credits."""
        text = self.cleaned_data["max_cost"].strip()
        if not text:
            return None
        try:
            amount_uc = parse_credits(text)
        except AmountInvalid as error:
            raise forms.ValidationError(_("Write a number such as 12.5, with at most six decimals.")) from error
        if not 1 <= amount_uc <= ORDER_MAX_UC:
            raise forms.ValidationError(_("An order cannot cost that much, or nothing."))
        return amount_uc

    def _read(self, name: str, *, at_most: int, message: Any) -> bytes:  # noqa: ANN401 - a lazy text
        file = self.cleaned_data[name]
        if file.size > at_most:
            raise forms.ValidationError(message)
        content: bytes = file.read()
        return content


class OfferForm(KeyForm):
    """What one pool sells by the unit. Without an accelerator the unit is a core."""

    name = forms.CharField(
        label=_("Name of the offer"), help_text=_("Members read it on the shelf."), max_length=120, strip=True
    )
    pool = forms.ChoiceField(label=_("Pool"))
    accelerator = forms.ChoiceField(
        label=_("Sold by"),
        help_text=_("The unit that is counted: one accelerator, or one core of a CPU."),
        required=False,
    )
    cores = forms.IntegerField(
        label=_("Cores with each unit"),
        help_text=_("A job that takes more pays for as many units as hold it. By the core it is one."),
        min_value=1,
        max_value=1024,
        initial=1,
    )
    memory_gib = forms.DecimalField(
        label=_("Memory with each unit, GiB"),
        min_value=Decimal("0.25"),
        max_value=Decimal(16384),
        decimal_places=2,
        initial=4,
    )
    service_level = forms.ChoiceField(label=_("Service level"), required=False)

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - handed on
        pools: Sequence[tuple[str, str]],
        levels: Mapping[str, str],
        **options: Any,  # noqa: ANN401 - handed on
    ) -> None:
        super().__init__(*args, **options)
        known = [(each.id, each.name) for each in list_accelerators()]
        choices = {
            "pool": pools,
            "accelerator": [("", _("CPU core")), *sorted(known, key=lambda each: each[1].casefold())],
            "service_level": [("", _("none: no credit for lost time")), *levels.items()],
        }
        for name, offered in choices.items():
            cast("forms.ChoiceField", self.fields[name]).choices = offered
        if not levels:
            del self.fields["service_level"]

    def clean(self) -> dict[str, Any]:
        """Refuse more than one core with a unit that is a core."""
        said = super().clean() or {}
        if not said.get("accelerator") and said.get("cores", 1) != 1:
            self.add_error("cores", _("An offer by the core has one core with each unit."))
        return said

    def read_shape(self) -> Shape:
        """Return what comes with one unit of a valid form."""
        return Shape(
            unit=Unit.ACCELERATOR if self.cleaned_data["accelerator"] else Unit.CORE,
            cores=self.cleaned_data["cores"],
            memory_mib=int(self.cleaned_data["memory_gib"] * 1024),
        )


class PriceForm(KeyForm):
    """A price for 1 000 unit-seconds, from now on or later, with an end or without."""

    price = forms.DecimalField(
        label=_("Price, credits per 1,000 unit-seconds"),
        help_text=_("An hour of one unit costs 3.6 times as much."),
        min_value=Decimal(1) / UC_PER_CREDIT,
        max_value=Decimal(PRICE_MAX_UC) / UC_PER_CREDIT,
        decimal_places=6,
        widget=forms.NumberInput(attrs={"inputmode": "decimal"}),
    )
    valid_from = MomentField(label=_("From, UTC"), help_text=_("At once when left empty."), required=False)
    valid_until = MomentField(
        label=_("Until, UTC"),
        help_text=_("With an end it is a sale: it goes before other prices and reverts by itself."),
        required=False,
    )
    source = forms.CharField(
        label=_("Where it comes from"), help_text=_("A contract, a tender, a price list."), max_length=200
    )

    def __init__(self, *args: Any, now: datetime, **options: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*args, **options)
        self.now = now

    def clean(self) -> dict[str, Any]:
        """Refuse what begins in the past, and an end that is not after the begin."""
        said = super().clean() or {}
        begin, end = said.get("valid_from") or self.now, said.get("valid_until")
        if begin < self.now:
            self.add_error("valid_from", _("This is over. Leave it empty to begin at once."))
        if end is not None and end <= begin:
            self.add_error("valid_until", _("The end has to be after the begin."))
        return said

    def read_price_uc(self) -> int:
        """Return the price of a valid form in micro-credits, exactly."""
        price: Decimal = self.cleaned_data["price"]
        return int(price * UC_PER_CREDIT)


class ProviderForm(forms.Form):
    """An organisation that shall sell, and what the hub keeps of what it earns."""

    organisation_id = forms.CharField(label=_("Id of the organisation"), max_length=64)
    fee = forms.DecimalField(
        label=_("Fee, %"),
        help_text=_("What the hub keeps of what is due to the provider."),
        min_value=0,
        max_value=100,
        decimal_places=4,
        widget=forms.NumberInput(attrs={"inputmode": "decimal"}),
    )

    def read_fee_ppm(self) -> int:
        """Return the fee of a valid form in parts per million, exactly."""
        fee: Decimal = self.cleaned_data["fee"]
        return int(fee * PPM / 100)
