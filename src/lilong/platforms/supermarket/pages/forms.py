"""Forms of the supermarket."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from lilong.common.django.once import KeyForm
from lilong.common.money import AmountInvalid, parse_credits
from lilong.platforms.supermarket.core.policy import ORDER_MAX_UC
from lilong.platforms.supermarket.services.archives import ARCHIVE_BYTES_MAX
from lilong.protocol.spec_yaml import SPEC_BYTES_MAX


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
