"""Forms about an organisation's people: inviting somebody, and giving a member another role."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from lilong.common.permissions import Role
from lilong.foundation.members.pages.words import ROLE_CHOICES

EMAIL_MAX = 254


class RoleForm(forms.Form):
    """A role, of those that the actor may give."""

    role = forms.ChoiceField(label=_("Role"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, roles: Sequence[Role], **options: Any) -> None:  # noqa: ANN401 - Django's
        super().__init__(*args, **options)
        cast("forms.ChoiceField", self.fields["role"]).choices = [(role.value, ROLE_CHOICES[role]) for role in roles]


class InviteForm(RoleForm):
    """Whom to invite, to which role, in which language."""

    email = forms.EmailField(
        label=_("Address"),
        max_length=EMAIL_MAX,
        help_text=_("The mail goes there. Only who signs in with this address can accept."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    language = forms.ChoiceField(label=_("Language of the mail"), choices=settings.LANGUAGES)
    field_order = ("email", "role", "language")
