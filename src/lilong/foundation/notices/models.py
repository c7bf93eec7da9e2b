"""Tables of notices, of the letters and mails that tell people, and of the webhooks that tell programs."""

from django.db import models
from django.db.models import Q

from lilong.common.permissions import Actor

WAITING, SENT, DEAD, DROPPED = "waiting", "sent", "dead", "dropped"
MAIL_STATES = sorted([WAITING, SENT, DEAD, DROPPED])


class Notice(models.Model):
    """Something that somebody waits for has happened; told_at: when letters and deliveries were made of it.

    organisation_id: whom it concerns, empty for the hub. person_ids: whom to tell there; empty: the roles of the kind.
    occasion: tells apart what may happen to a subject more than once. audience: digest of person_ids, or empty.
    """

    id = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=64)
    occasion = models.CharField(max_length=64, blank=True)
    organisation_id = models.CharField(max_length=64, blank=True)
    audience = models.CharField(max_length=64, blank=True)
    person_ids = models.JSONField(default=list)
    params = models.JSONField()
    posted_at = models.DateTimeField(db_index=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject_id", "occasion", "organisation_id", "audience"], name="notices_notice_once"
            )
        ]
        indexes = [models.Index(fields=["id"], condition=Q(told_at=None), name="notices_notice_untold")]


class Mail(models.Model):
    """One mail to one person, about one letter or, as a digest, several of one kind and hour.

    The mail of an invitation is to nobody who is here: it names the invitation and which sending of it, no person; its
    address and secret are asked for when it is sent. Being claimed means that next_at lies ahead. dropped: the person
    left, or the invitation was over, before it could be sent.
    """

    id = models.CharField(max_length=64, primary_key=True)
    person_id = models.CharField(max_length=64, blank=True)
    organisation_id = models.CharField(max_length=64, blank=True)
    invitation_id = models.CharField(max_length=64, blank=True)
    generation = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=64)
    hour = models.DateTimeField()
    is_digest = models.BooleanField()
    written_at = models.DateTimeField(db_index=True)
    state = models.CharField(max_length=8, default=WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=MAIL_STATES), name="notices_mail_state"),
            models.UniqueConstraint(
                fields=["invitation_id", "generation"], condition=~Q(invitation_id=""), name="notices_mail_of_sending"
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state=WAITING), name="notices_mail_due"),
            models.Index(fields=["person_id", "kind", "hour"], name="notices_mail_of_hour"),
            models.Index(fields=["state", "id"], name="notices_mail_by_state"),
        ]


class LetterQuerySet(models.QuerySet["Letter"]):
    """Filters of letters."""

    def visible_to(self, actor: Actor) -> "LetterQuerySet":
        """Keep what was written to this person in this organisation: nobody reads the letters of others."""
        if not actor.person_id:
            return self.none()
        return self.filter(person_id=actor.person_id, organisation_id=actor.organisation_id)


class Letter(models.Model):
    """A notice in one person's inbox. wants_mail: mail is to be written about it, or was."""

    id = models.CharField(max_length=64, primary_key=True)
    notice = models.ForeignKey(Notice, models.PROTECT, related_name="letters")
    person_id = models.CharField(max_length=64)
    organisation_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=64)
    occasion = models.CharField(max_length=64, blank=True)
    posted_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    wants_mail = models.BooleanField()
    mail = models.ForeignKey(Mail, models.PROTECT, null=True, related_name="letters")

    objects = LetterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person_id", "organisation_id", "kind", "subject_id", "occasion"], name="notices_letter_once"
            )
        ]
        indexes = [
            models.Index(fields=["person_id", "organisation_id", "id"], name="notices_letter_inbox"),
            models.Index(
                fields=["person_id", "organisation_id"], condition=Q(read_at=None), name="notices_letter_unread"
            ),
            models.Index(fields=["person_id"], condition=Q(wants_mail=True, mail=None), name="notices_letter_unmailed"),
        ]


class Preference(models.Model):
    """Whether one person wants mail of one kind; where there is none, the kind's own rule holds."""

    id = models.CharField(max_length=64, primary_key=True)
    person_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=64)
    by_mail = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person_id", "kind"], name="notices_preference_once")]


class WebhookQuerySet(models.QuerySet["Webhook"]):
    """Filters of webhooks."""

    def visible_to(self, actor: Actor) -> "WebhookQuerySet":
        """Keep the webhooks of the actor's own organisation."""
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Webhook(models.Model):
    """An https endpoint of an organisation. Secrets are sealed; old_secret also signs until old_until.

    failing_since: of the first failure after the last success. tried_at: whoever was tried longest ago is next.
    disabled_at, disabled_because: nothing is sent since.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64, db_index=True)
    url = models.CharField(max_length=500)
    kinds = models.JSONField()
    secret = models.TextField()
    old_secret = models.TextField(blank=True)
    old_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    failing_since = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_because = models.CharField(max_length=200, blank=True)
    deleted_at = models.DateTimeField(null=True)

    objects = WebhookQuerySet.as_manager()


class WebhookDelivery(models.Model):
    """One notice on its way to one webhook; its id is the `webhook-id` of every try. Claimed: next_at lies ahead."""

    id = models.CharField(max_length=64, primary_key=True)
    webhook = models.ForeignKey(Webhook, models.PROTECT, related_name="deliveries")
    notice = models.ForeignKey(Notice, models.PROTECT, related_name="deliveries")
    made_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webhook", "notice"], name="notices_delivery_once")]
        indexes = [
            models.Index(
                fields=["next_at"], condition=Q(delivered_at=None, given_up_at=None), name="notices_delivery_due"
            )
        ]


class DeliveryTry(models.Model):
    """One try to deliver, and what came of it. status: of the HTTP answer, empty where there was none."""

    id = models.CharField(max_length=64, primary_key=True)
    delivery = models.ForeignKey(WebhookDelivery, models.PROTECT, related_name="tries")
    at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    problem = models.CharField(max_length=200, blank=True)
    milliseconds = models.PositiveIntegerField()
