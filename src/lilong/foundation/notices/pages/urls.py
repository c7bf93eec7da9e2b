"""Addresses of the pages of notices."""

from django.urls import path

from lilong.foundation.notices.pages import inbox, webhooks

_WEBHOOK = "organisation/webhooks/<str:webhook_id>"
urlpatterns = [
    path("notices", inbox.show_inbox, name="notices"),
    path("notices/preferences", inbox.show_preferences, name="notice_preferences"),
    path("notices/read", inbox.read_all, name="notices_read"),
    path("notices/<str:notice_id>/read", inbox.read_one, name="notice_read"),
    path("organisation/webhooks", webhooks.show_webhooks, name="webhooks"),
    path(_WEBHOOK, webhooks.show_webhook, name="webhook"),
    path(f"{_WEBHOOK}/secret", webhooks.show_secret, name="webhook_secret"),
    path(f"{_WEBHOOK}/rotate", webhooks.rotate, name="webhook_rotate"),
    path(f"{_WEBHOOK}/enable", webhooks.enable, name="webhook_enable"),
    path(f"{_WEBHOOK}/test", webhooks.test, name="webhook_test"),
    path(f"{_WEBHOOK}/remove", webhooks.remove, name="webhook_remove"),
    path(f"{_WEBHOOK}/deliveries/<str:delivery_id>/again", webhooks.try_again, name="webhook_again"),
]
