"""The door of members for whoever shows which mail of signing in did not leave."""

from lilong.foundation.members.queries.mails import (
    MailBacklog,
    RefusedMailView,
    StuckMails,
    count_stuck_mails,
    list_refused_mails,
    measure_mails,
    sum_mails,
)

__all__ = [
    "MailBacklog",
    "RefusedMailView",
    "StuckMails",
    "count_stuck_mails",
    "list_refused_mails",
    "measure_mails",
    "sum_mails",
]
