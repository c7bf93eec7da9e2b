"""Browsers that somebody has signed in with, without going through the pages for that."""

from django.test import Client

from lilong.common.permissions import Actor
from lilong.foundation.members.models import Person


def browse_as(actor: Actor, *, language: str = "en", enforce_csrf: bool = False) -> Client:
    """Return a browser in which the actor's person is signed in."""
    client = Client(headers={"host": "127.0.0.1", "accept": "text/html"}, enforce_csrf_checks=enforce_csrf)
    client.cookies["language"] = language
    client.force_login(Person.objects.get(id=actor.person_id))
    return client


def browse_as_stranger() -> Client:
    """Return a browser in which nobody is signed in."""
    return Client(headers={"host": "127.0.0.1", "accept": "text/html"})
