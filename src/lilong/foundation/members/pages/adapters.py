"""What allauth asks of a hub: making people, sending mail, sealing secrets, reading what other sign-ins say.

allauth owns the flows; people, mails and addresses are made here by the services of members alone.
"""

from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.forms import BaseForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language_from_request
from qrcode.image.svg import SvgPathFillImage
from qrcode.main import QRCode

from lilong.common.django.sealing import seal, unseal
from lilong.common.time import utc_now
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.models import Person
from lilong.foundation.members.services.mail import queue_mail
from lilong.foundation.members.services.organisations import insert_person
from lilong.foundation.members.services.passwords import set_password
from lilong.foundation.members.services.people import confirm_email

SECOND_FACTOR = "second factor"


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of a hub."""

    def save_user(
        self,
        request: HttpRequest,
        user: AbstractBaseUser,  # noqa: ARG002 - allauth's signature
        form: BaseForm,
        commit: bool = True,  # noqa: ARG002, FBT001, FBT002 - allauth's signature
    ) -> AbstractBaseUser:
        """Make the person who signs up."""
        given = form.cleaned_data
        person = _make_person(request, email=given["email"], name=given["name"])
        password = given.get("password1")
        return set_password(person_id=person.id, password=password) if password else person

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Give a person a new password."""
        user.password = set_password(person_id=str(user.pk), password=password).password

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Note that an address was proven; allauth tells nobody else."""
        confirmed = bool(super().confirm_email(request, email_address))
        if confirmed:
            confirm_email(person_id=str(email_address.user_id), email=email_address.email, now=utc_now())
        return confirmed

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Write down a mail for the worker to send. Its addresses are the hub's own, whatever Host a request named."""
        parts = urlsplit(settings.LILONG.public_url)
        own = {
            "current_site": SimpleNamespace(name=settings.LILONG.hub_name, domain=parts.netloc),
            "signup_url": _public("account_signup"),
            "password_reset_url": _public("account_reset_password"),
        }
        message = self.render_mail(template_prefix, email, {**context, "email": email, **own})
        queue_mail(to=email, subject=str(message.subject), text=str(message.body), now=utc_now())


class SecondFactorAdapter(DefaultMFAAdapter):
    """Second factors and passkeys, their secrets sealed."""

    def encrypt(self, text: str) -> str:
        """Seal a secret before it enters the database."""
        return seal(text=text, context=SECOND_FACTOR)

    def decrypt(self, encrypted_text: str) -> str:
        """Open a sealed secret."""
        return unseal(sealed=encrypted_text, context=SECOND_FACTOR)

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code as a picture with a white ground, which dark pages need, and without an XML preamble."""
        code: Any = QRCode(image_factory=SvgPathFillImage)
        code.add_data(url)
        image = code.make_image()
        return str(image.to_string(encoding="unicode"))

    def _get_site_name(self) -> str:
        return str(settings.LILONG.hub_name)


class FederationAdapter(DefaultSocialAccountAdapter):
    """People who come from another organisation's sign-in."""

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> Person:
        """Take name and address from the claims that the settings name, and say whether the address is verified."""
        configured = sociallogin.provider.app.settings
        said = sociallogin.account.extra_data
        claims = {**said.get("id_token", {}), **said.get("userinfo", {})}
        email = str(claims.get(configured["email_claim"]) or "").strip().lower()
        person = cast("Person", super().populate_user(request, sociallogin, {**data, "email": email}))
        is_verified = configured["trusts_email"] and claims.get(configured["email_verified_claim"]) is True
        addresses = [EmailAddress(email=person.email, verified=is_verified, primary=True)] if person.email else []
        sociallogin.email_addresses = addresses
        person.name = str(claims.get(configured["name_claim"]) or email.split("@")[0])[:120]
        return person

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: BaseForm | None = None) -> Person:
        """Make the person, then what links them to the other sign-in."""
        drafted = cast("Person", sociallogin.user)
        given = form.cleaned_data if form else {"email": drafted.email, "name": drafted.name}
        sociallogin.user = person = _make_person(request, email=given["email"], name=given["name"])
        sociallogin.save(request)
        if any(each.verified for each in sociallogin.email_addresses):
            confirm_email(person_id=person.id, email=person.email, now=utc_now())
        return person

    def get_signup_form_initial_data(self, sociallogin: SocialLogin) -> dict[str, Any]:
        """Return what the form begins with."""
        return {**super().get_signup_form_initial_data(sociallogin), "name": cast("Person", sociallogin.user).name}


def _make_person(request: HttpRequest, *, email: str, name: str) -> Person:
    """Make a person to whom the hub writes in the language in which they read its pages."""
    return insert_person(email=email, name=name, language=Language(get_language_from_request(request)), now=utc_now())


def _public(name: str) -> str:
    return settings.LILONG.public_url.rstrip("/") + reverse(name)
