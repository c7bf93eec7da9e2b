"""Addresses of SAML, in place of allauth's; only where the hub has the packages for it."""

from django.urls import path

from lilong.foundation.members.pages import saml

urlpatterns = [
    path("login/", saml.sign_in_elsewhere, name="saml_login"),
    path("acs/", saml.take_answer, name="saml_acs"),
    path("acs/finish/", saml.finish, name="saml_finish_acs"),
    path("metadata/", saml.show_metadata, name="saml_metadata"),
    path("sls/", saml.refuse_logout, name="saml_sls"),
]
