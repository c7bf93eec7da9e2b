"""Sign somebody in to the hub in LILONG_HOME and print the session's key: `python -m tests.browser_session EMAIL`."""

import os
import sys

import django


def main(email: str) -> None:
    """Open the session."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    from django.conf import settings  # noqa: PLC0415 - needs Django to be set up
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: PLC0415 - see above
    from django.contrib.sessions.backends.db import SessionStore  # noqa: PLC0415 - see above
    from django.db import transaction  # noqa: PLC0415 - see above

    from lilong.foundation.members.models import Person  # noqa: PLC0415 - see above

    person = Person.objects.get(email=email)
    with transaction.atomic():
        session = SessionStore()
        session[SESSION_KEY] = person.pk
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = person.get_session_auth_hash()
        session.save()
    sys.stdout.write(f"{session.session_key}\n")


if __name__ == "__main__":
    main(sys.argv[1])
