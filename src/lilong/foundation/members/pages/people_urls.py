"""Addresses of an organisation's people, and of the page on which somebody joins."""

from django.urls import path

from lilong.foundation.members.core.invitations import PAGE
from lilong.foundation.members.pages import invitations, people

urlpatterns = [
    path("people", people.show_people, name="people"),
    path("people/invite", people.invite, name="invite"),
    path("people/leave", people.leave, name="leave_organisation"),
    path("people/invitations/<str:invitation_id>/send", people.send_again, name="send_invitation"),
    path("people/invitations/<str:invitation_id>/withdraw", people.withdraw, name="withdraw_invitation"),
    path("people/<str:membership_id>", people.show_member, name="member"),
    path(PAGE.lstrip("/"), invitations.show_invitation, name="invitation"),
]
