"""Signing in on another device by a code (RFC 8628): allauth has the grant, a hub adds for which organisation it is."""

from http import HTTPStatus
from typing import Any

from allauth.core.internal import ratelimit
from allauth.idp.oidc.models import Client
from allauth.idp.oidc.views import DeviceAuthorizationView, DeviceCodeView, TokenView
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from lilong.common.django.bodies import FORM_BYTES_MAX, reads_at_most
from lilong.common.time import utc_now
from lilong.foundation.members.pages.sessions import find_session_actor, list_session_memberships
from lilong.foundation.members.services.devices import (
    CLI_CLIENT,
    GRANT_LIFE_S,
    GrantUnknown,
    approve_device,
    deny_device,
    ensure_cli_client,
    grant_device,
    lock_device,
)

CODES = {"device_code": "20/m/ip"}


class DeviceCode(DeviceCodeView):
    """Where a device asks for a code."""

    def post(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:  # noqa: ANN401 - allauth's
        """Give it one, for the hub's own command alone."""
        if not ratelimit.consume(request, app="lilong", action="device_code", config=CODES):
            return JsonResponse({"error": "slow_down"}, status=HTTPStatus.TOO_MANY_REQUESTS)
        if request.POST.get("client_id") != CLI_CLIENT:
            return JsonResponse({"error": "invalid_client"}, status=HTTPStatus.BAD_REQUEST)
        ensure_cli_client()
        with transaction.atomic():
            return super().post(request, *args, **options)


class DeviceToken(TokenView):
    """Where a device asks whether it was let in. No other grant is given here."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Answer as RFC 8628 says: pending, slow_down, denied, expired, or an access token for one exchange."""
        if request.POST.get("grant_type") != Client.GrantType.DEVICE_CODE:
            return JsonResponse({"error": "unsupported_grant_type"}, status=HTTPStatus.BAD_REQUEST)
        if request.POST.get("client_id") != CLI_CLIENT:
            return JsonResponse({"error": "invalid_client"}, status=HTTPStatus.BAD_REQUEST)
        with transaction.atomic():
            lock_device(device_code=request.POST.get("device_code", ""))
            return super().post(request)

    def _create_token_response(
        self, request: HttpRequest, *, user: AbstractBaseUser | None = None, data: dict[str, Any] | None = None
    ) -> HttpResponse:
        if user is None or data is None:
            return super()._create_token_response(request, user=user, data=data)
        secret = grant_device(person_id=str(user.pk), organisation_id=data["organisation_id"], now=utc_now())
        return JsonResponse({"access_token": secret, "token_type": "Bearer", "expires_in": GRANT_LIFE_S})


class DeviceApproval(DeviceAuthorizationView):
    """Where a person who is signed in types the code and says for which organisation the device may act."""

    def _dispatch_authorization(
        self, request: HttpRequest, user_code: str, device_code: str, client: Client
    ) -> HttpResponse:
        memberships = list_session_memberships(request)
        context = {
            "user_code": user_code,
            "client": client,
            "memberships": memberships,
            "actor": find_session_actor(request),
            "outcome": "",
        }
        if request.method == "POST":
            context["outcome"] = self._decide(request, device_code)
        return render(request, "members/device.html", context)

    def _decide(self, request: HttpRequest, device_code: str) -> str:
        person_id = str(request.user.pk)
        if request.POST.get("action") != "confirm":
            deny_device(device_code=device_code, person_id=person_id)
            return "denied"
        organisation_id = request.POST.get("organisation_id", "")
        try:
            approve_device(device_code=device_code, person_id=person_id, organisation_id=organisation_id)
        except GrantUnknown:
            return "expired"
        return "approved"


for_programs = reads_at_most(bytes_max=FORM_BYTES_MAX)  # they bring no token of a form
device_code = for_programs(DeviceCode.as_view())
device_token = for_programs(DeviceToken.as_view())
device_approval = DeviceApproval.as_view()
# allauth exempts it, though its POST lets somebody in: here it is a form like any other.
device_approval.csrf_exempt = False  # type: ignore[attr-defined]
