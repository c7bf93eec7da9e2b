"""Addresses of an organisation's people, and of the page on which somebody joins."""

from django.urls import path

from lilong.foundation.members.core.invitations import PAGE
from lilong.foundation.members.pages import invitations, people

urlpatterns = [
    path("organisation/people", people.show_people, name="people"),
    path("organisation/people/invite", people.invite, name="invite"),
    path("organisation/people/leave", people.leave, name="leave_organisation"),
    path("organisation/people/invitations/<str:invitation_id>/send", people.send_again, name="send_invitation"),
    path("organisation/people/invitations/<str:invitation_id>/withdraw", people.withdraw, name="withdraw_invitation"),
    path("organisation/people/<str:membership_id>", people.show_member, name="member"),
    path(PAGE.lstrip("/"), invitations.show_invitation, name="invitation"),
]
