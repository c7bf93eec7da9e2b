"""Addresses of what an organisation keeps with the members' room."""

from django.urls import path

from lilong.foundation.members.pages import secrets, tokens

urlpatterns = [
    path("organisation/tokens", tokens.show_tokens, name="tokens"),
    path("organisation/tokens/made", tokens.show_token_made, name="token_made"),
    path("organisation/tokens/<str:token_id>/revoke", tokens.end_token, name="token_revoke"),
    path("organisation/secrets", secrets.show_secrets, name="secrets"),
    path("organisation/secrets/<str:name>/remove", secrets.forget_secret, name="secret_remove"),
]
