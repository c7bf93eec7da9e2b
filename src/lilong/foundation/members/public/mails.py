"""The door of members for whoever shows which mail of signing in did not leave."""

from lilong.foundation.members.queries import MailBacklog, measure_mails

__all__ = ["MailBacklog", "measure_mails"]
