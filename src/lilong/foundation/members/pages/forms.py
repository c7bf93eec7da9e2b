"""Forms of people. allauth has those of signing in; these are what a hub asks beyond it."""

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from lilong.foundation.members.core.roles import OrganisationKind
from lilong.foundation.members.core.tokens import PREFIXES, TokenUse


class NameForm(forms.Form):
    """What sign-up asks beyond address and password."""

    name = forms.CharField(label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    field_order = ("name", "email", "password1")

    def signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Do nothing more: the name is saved with the person."""


KINDS = (
    (OrganisationKind.MAKER, _("Maker: I work alone, without a company")),
    (OrganisationKind.RESIDENT, _("Resident: a team or company in the neighbourhood")),
    (OrganisationKind.VIRTUAL, _("Virtual member: a team or company elsewhere")),
    (OrganisationKind.CHAIN, _("Chain member: a partner of the supply chain")),
    (OrganisationKind.PROVIDER, _("Provider: sells computing power here")),
    (OrganisationKind.SPONSOR, _("Sponsor: funds programmes")),
    (OrganisationKind.INVESTOR, _("Investor")),
)


class FoundForm(forms.Form):
    """An organisation that somebody founds; a maker's name may be left out, it is the person's."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=KINDS,
        initial=OrganisationKind.RESIDENT,
        widget=forms.RadioSelect,
        help_text=_("A published rule admits makers and residents in the same minute; a person looks at the others."),
    )
    name = forms.CharField(
        label=_("Name of the organisation"),
        max_length=120,
        help_text=_("A maker who leaves it out goes by the own name."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
        error_messages={"required": _("Give the name of the organisation.")},
    )
    use_required_attribute = False

    def full_clean(self) -> None:
        """Ask everybody but makers for a name."""
        self.fields["name"].required = self.data.get("kind") != OrganisationKind.MAKER
        super().full_clean()


class FirstSignInForm(forms.Form):
    """A one-time token and the password that its person will sign in with."""

    token = forms.CharField(
        label=_("One-time token"),
        help_text=format_lazy(
            _("It begins with {prefix}. `lilong init` prints one for an operator."), prefix=PREFIXES[TokenUse.ONCE]
        ),
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    password = forms.CharField(
        label=_("New password"),
        help_text=password_validators_help_text_html(),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_password(self) -> str:
        """Refuse a weak password."""
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password
