"""Tables of the record. Leaves and hashes are only ever added; payloads may be erased."""

from django.db import models
from django.db.models import Q

from lilong.common.permissions import Actor
from lilong.protocol.evidence import Leaf

POSITION_BITS = 48


class Key(models.Model):
    """A signing key of the hub: its public half. The private half is the file `keys/record-NUMBER.key`."""

    id = models.CharField(max_length=64, primary_key=True)
    number = models.PositiveSmallIntegerField(unique=True)
    public_key = models.BinaryField(max_length=32)
    retires_at = models.DateTimeField(null=True)


class Log(models.Model):
    """One log. A hub has another only after it was restored behind a head that it had published.

    size: leaves in the tree; follows_note: the last head known of the log before, empty for the first.
    """

    id = models.CharField(max_length=64, primary_key=True)
    number = models.PositiveSmallIntegerField(unique=True)
    origin = models.CharField(max_length=200, unique=True)
    size = models.BigIntegerField(default=0)
    is_open = models.BooleanField(default=True)
    opened_at = models.DateTimeField()
    follows_note = models.TextField(blank=True)
    restore_ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_open"], condition=Q(is_open=True), name="record_log_one_open"),
            models.CheckConstraint(condition=Q(size__gte=0), name="record_log_size"),
        ]


class EntryQuerySet(models.QuerySet["Entry"]):
    """Filters of entries."""

    def visible_to(self, actor: Actor) -> "EntryQuerySet":
        """Keep what concerns the actor's organisation; operators see all, nobody else anything."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Entry(models.Model):
    """One decision: what the leaf says of it, for whom it may be opened, and where it stands once it is sealed."""

    id = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()
    subject_id = models.CharField(max_length=64)
    organisation_id = models.CharField(max_length=64, blank=True)
    commitment = models.CharField(max_length=64)
    log = models.ForeignKey(Log, null=True, on_delete=models.PROTECT)
    index = models.BigIntegerField(null=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["log", "index"], name="record_entry_place"),
            models.CheckConstraint(
                condition=Q(log=None, index=None) | Q(log__isnull=False, index__gte=0), name="record_entry_sealed"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(log=None), name="record_entry_unsealed"),
            models.Index(fields=["subject_id"], name="record_entry_subject"),
        ]

    @property
    def leaf(self) -> Leaf:
        """What the tree holds of this entry."""
        return Leaf(
            kind=self.kind, recorded_at=self.recorded_at, subject_id=self.subject_id, commitment=self.commitment
        )


class Payload(models.Model):
    """What was decided, in canonical JSON, and the key of its commitment. Deleting the row erases both."""

    entry = models.OneToOneField(Entry, primary_key=True, on_delete=models.PROTECT)
    content = models.TextField()
    key = models.BinaryField(max_length=32)


class Node(models.Model):
    """The hash at one position of a log's tree. The id is the log's number above, the position in the low 48 bits."""

    id = models.BigIntegerField(primary_key=True)
    hash = models.BinaryField(max_length=32)


class Head(models.Model):
    """A head that the hub signed. It is shown to nobody before enough witnesses have cosigned it."""

    id = models.CharField(max_length=64, primary_key=True)
    log = models.ForeignKey(Log, on_delete=models.PROTECT)
    size = models.BigIntegerField()
    note = models.TextField()
    signed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "size"], name="record_head_once")]


class Cosignature(models.Model):
    """A witness's signature line under a head."""

    id = models.CharField(max_length=64, primary_key=True)
    head = models.ForeignKey(Head, on_delete=models.PROTECT)
    witness_key = models.CharField(max_length=300)
    line = models.CharField(max_length=500)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["head", "witness_key"], name="record_cosignature_once")]


class Witness(models.Model):
    """What was last heard of a witness. checked_at: when it last confirmed that it knows no head beyond ours."""

    key = models.CharField(max_length=300, primary_key=True)
    checked_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True)
    retry_at = models.DateTimeField(null=True)
