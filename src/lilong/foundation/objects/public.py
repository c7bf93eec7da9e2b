"""The door of objects."""

from lilong.foundation.objects.queries import HeldObject, ObjectReader, UploadView, find_many, open_object
from lilong.foundation.objects.services.contents import store_contents
from lilong.foundation.objects.services.links import NewLink, make_link, open_link
from lilong.foundation.objects.services.references import drop_hold, hold
from lilong.foundation.objects.services.uploads import append_upload, begin_upload

__all__ = [
    "HeldObject",
    "NewLink",
    "ObjectReader",
    "UploadView",
    "append_upload",
    "begin_upload",
    "drop_hold",
    "find_many",
    "hold",
    "make_link",
    "open_link",
    "open_object",
    "store_contents",
]
