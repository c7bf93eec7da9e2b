"""Addresses of people, under /account/."""

from allauth.urls import urlpatterns as allauth_urls
from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path

from lilong.foundation.members.pages import devices, factor_losses, federation, founding, views

_device = (
    [
        path("device/", devices.device_approval, name="device_authorization"),
        path("device/code", devices.device_code, name="device_code"),
        path("device/token", devices.device_token, name="token"),
    ],
    "oidc",
)
_idp = ([path("", include(_device, namespace="oidc"))], "idp")  # allauth asks for the names idp:oidc:…
_saml: list[URLPattern | URLResolver] = (
    [path("saml/<str:organization_slug>/", include("lilong.foundation.members.pages.saml_urls"))]
    if apps.is_installed("allauth.socialaccount.providers.saml")
    else []
)
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.show_overview, name="account_overview"),
    path("organisations/new/", founding.found, name="account_found_organisation"),
    path("organisation/", views.switch_organisation, name="account_switch_organisation"),
    path("first-sign-in/", views.sign_in_first, name="account_first_sign_in"),
    path("oidc/<slug:provider_id>/login/", federation.sign_in_elsewhere, name="openid_connect_login"),
    *_saml,
    path("2fa/lost/", factor_losses.ask, name="account_factor_lost"),
    path("2fa/lost/stop/", factor_losses.stop_own, name="account_stop_own_factor_loss"),
    path("2fa/lost/stop/<str:secret>/", factor_losses.stop, name="account_stop_factor_loss"),
    path("", include(_idp, namespace="idp")),
    path("", include(allauth_urls)),
]
