"""Sentences that core and services of members hold in English: named here, so that the catalogue has them."""

from django.utils.translation import gettext_lazy as _

SENTENCES = (
    _("It must not be later than today."),
    _("A document of this kind expires: say when."),
    _("It must be later than today and than the day of issue."),
    _("It must be a PDF, PNG or JPEG file."),
    _("It must be the id of another organisation."),
    _("It needs letters or digits."),
    _("This owner is named already."),
)
