"""Addresses of the pages of one's own organisation, and of what operators do about others' standings and owners."""

from django.urls import path

from lilong.foundation.members.pages import consents, evidence, ownership, secrets, standings, tokens

urlpatterns = [
    path("organisation/tokens", tokens.show_tokens, name="tokens"),
    path("organisation/tokens/made", tokens.show_token_made, name="token_made"),
    path("organisation/tokens/<str:token_id>/revoke", tokens.end_token, name="token_revoke"),
    path("organisation/secrets", secrets.show_secrets, name="secrets"),
    path("organisation/secrets/<str:name>/remove", secrets.forget_secret, name="secret_remove"),
    path("organisation/evidence", evidence.show_wallet, name="own_evidence"),
    path("organisation/evidence/new", evidence.give, name="give_evidence"),
    path("organisation/evidence/<str:evidence_id>", evidence.show_document, name="own_document"),
    path("organisation/evidence/<str:evidence_id>/file", evidence.download, name="own_document_file"),
    path("organisation/evidence/<str:evidence_id>/replace", evidence.replace, name="replace_evidence"),
    path("organisation/evidence/<str:evidence_id>/withdraw", evidence.withdraw, name="withdraw_evidence"),
    path("organisation/ownership", ownership.show_own, name="own_ownership"),
    path("organisation/ownership/end", ownership.end, name="end_ownership"),
    path("organisation/standings", standings.show_own, name="own_standings"),
    path("organisation/consents", consents.show_consents, name="own_consents"),
    path("organisation/consents/export", consents.export_own, name="export_consents"),
    path("organisation/outcomes/<str:round_code>", consents.answer, name="answer_outcomes"),
    path("desk/outcomes", consents.export_answers, name="export_outcomes"),
    path("desk/organisations/<str:organisation_id>/ownership", ownership.show_of, name="desk_ownership"),
    path("desk/organisations/<str:organisation_id>/standings", standings.show_of, name="desk_standings"),
    path(
        "desk/organisations/<str:organisation_id>/standings/<str:standing_id>/end",
        standings.change_end,
        name="desk_standing_end",
    ),
]
