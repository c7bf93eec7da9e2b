"""Found an organisation with people in the hub in LILONG_HOME: `python -m tests.browser_people` prints who is who."""

import json
import os
import sys

import django


def main() -> None:
    """Fill the hub, and print the sessions of its people, where to look, and the links of invitations."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    from lilong.common.permissions import Actor, Role  # noqa: PLC0415 - needs Django to be set up
    from lilong.common.time import utc_now  # noqa: PLC0415 - see above
    from lilong.foundation.members.public import OrganisationKind, OrganisationState, create_organisation  # noqa: PLC0415
    from lilong.foundation.members.public.invitations import format_link  # noqa: PLC0415 - see above
    from lilong.foundation.members.public.people import confirm_email  # noqa: PLC0415 - see above
    from lilong.foundation.members.services.invitations import invite_member, withdraw_invitation  # noqa: PLC0415
    from lilong.foundation.members.services.memberships import add_member  # noqa: PLC0415 - see above
    from lilong.foundation.members.services.organisations import insert_person  # noqa: PLC0415 - see above
    from tests.desks import browse_as  # noqa: PLC0415 - see above
    from tests.people import act  # noqa: PLC0415 - see above

    now = utc_now()
    founded = create_organisation(
        name="Shu Robotics",
        kind=OrganisationKind.RESIDENT,
        owner_email="lin@shu.example",
        owner_name="Lin Wei",
        state=OrganisationState.ADMITTED,
        now=now,
    )
    owner = act(founded.token.secret, now=now)
    people = {"owner": owner.person_id}
    memberships = {}
    for role, name in ((Role.ADMIN, "Ada Chen"), (Role.BILLING, "Björn Bill"), (Role.VIEWER, "Vera Look")):
        made = add_member(actor=owner, email=f"{role}@shu.example", name=name, role=role, now=now)
        people[role.value], memberships[role.value] = made.person_id, made.membership_id
    for who, address, name in (("guest", "open@guests.example", "Gu Est"), ("other", "al@elsewhere.example", "Al")):
        people[who] = insert_person(email=address, name=name, now=now).id
        confirm_email(person_id=people[who], email=address, now=now)
    links = {}
    for state in ("open", "withdrawn"):
        sent = invite_member(actor=owner, email=f"{state}@guests.example", role=Role.MEMBER, now=now)
        links[state] = format_link(hub_url="", secret=sent.secret)
        if state == "withdrawn":
            withdraw_invitation(actor=owner, invitation_id=sent.id, now=now)
    sessions = {who: browse_as(Actor(person_id=person_id)).session_key for who, person_id in people.items()}
    json.dump({"sessions": sessions, "memberships": memberships, "links": links}, sys.stdout)


if __name__ == "__main__":
    main()
