"""Tables: the bytes once, a reference per organisation, holds, uploads, links, and what each organisation uses.

Locks are taken in this order: StorageUse, StoredObject, Reference.
"""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from lilong.common.permissions import Actor


class StoredObject(models.Model):
    """Bytes in the storage, under a key made of the digest and the upload that brought them.

    unreferenced_at: since when no organisation refers to it; written in the transaction of the last reference's end.
    """

    sha256 = models.CharField(max_length=64, primary_key=True)
    size_bytes = models.BigIntegerField()
    upload_id = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    unreferenced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(size_bytes__gte=0), name="objects_size_not_negative")]
        indexes = [
            models.Index(
                fields=["unreferenced_at"], condition=Q(unreferenced_at__isnull=False), name="objects_unreferenced"
            )
        ]

    @property
    def key(self) -> str:
        """Name of the bytes in the storage."""
        return name_key(sha256=self.sha256, upload_id=self.upload_id)


def name_key(*, sha256: str, upload_id: str) -> str:
    """Return the storage key of bytes: each upload places its own, so that a deletion never meets a new arrival."""
    return f"{sha256}.{upload_id}"


class ReferenceSet(models.QuerySet["Reference"]):
    """Filters of references."""

    def visible_to(self, actor: Actor) -> "ReferenceSet":
        """Keep those of the actor's own organisation."""
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Reference(models.Model):
    """One organisation has proven that it has these bytes, by uploading them. used_at: the retention counts from it."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    stored = models.ForeignKey(StoredObject, on_delete=models.PROTECT)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(db_index=True)

    objects = ReferenceSet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation_id", "stored"], name="objects_reference_once"),
        ]


class Hold(models.Model):
    """A named reason to keep a reference: until a moment, or without end. A dropped one waits for reconcile."""

    id = models.CharField(max_length=64, primary_key=True)
    holder = models.CharField(max_length=64)
    reference = models.ForeignKey(Reference, on_delete=models.PROTECT)
    until = models.DateTimeField(null=True)
    dropped = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["holder", "reference"], name="objects_hold_once")]
        indexes = [
            models.Index(fields=["until"], name="objects_hold_until"),
            models.Index(fields=["id"], condition=Q(dropped=True), name="objects_hold_dropped"),
        ]


class UploadSet(models.QuerySet["Upload"]):
    """Filters of uploads."""

    def visible_to(self, actor: Actor) -> "UploadSet":
        """Keep those of the actor's own organisation."""
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Upload(models.Model):
    """Bytes on their way in. `stored_bytes` of them are safely stored; the row stays a day after completion."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    stored_bytes = models.BigIntegerField(default=0)
    touched_at = models.DateTimeField(db_index=True)
    completed_at = models.DateTimeField(null=True)

    objects = UploadSet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "sha256"], condition=Q(completed_at=None), name="objects_upload_open_once"
            ),
            models.CheckConstraint(
                condition=Q(stored_bytes__gte=0) & Q(stored_bytes__lte=F("size_bytes")),
                name="objects_upload_within_size",
            ),
        ]

    @property
    def key(self) -> str:
        """Name that the bytes get in the storage."""
        return name_key(sha256=self.sha256, upload_id=self.id)


class StorageUse(models.Model):
    """What an organisation's references and open uploads add up to; every change of them changes it, too."""

    organisation_id = models.CharField(max_length=64, primary_key=True)
    used_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(used_bytes__gte=0), name="objects_used_not_negative")]


class LinkSet(models.QuerySet["Link"]):
    """Filters of links."""

    def valid_at(self, now: datetime) -> "LinkSet":
        """Keep those that have not expired."""
        return self.filter(expires_at__gt=now)


class Link(models.Model):
    """Lets whoever has the token read one object until it expires. Only the token's SHA-256 is kept."""

    token_sha256 = models.CharField(max_length=64, primary_key=True)
    reference = models.ForeignKey(Reference, on_delete=models.PROTECT)
    expires_at = models.DateTimeField(db_index=True)

    objects = LinkSet.as_manager()
