"""Files that browsers send with a form: streamed to the disk, hashed on their way, and refused by their first bytes."""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from lilong.common.django.bodies import FORM_BYTES_MAX, reads_at_most
from lilong.common.errors import InputInvalid

P = ParamSpec("P")


class FileTooLarge(InputInvalid):
    """A form came with more bytes than its file may have."""

    code = "form.file_too_large"
    title = "This file is too large"
    status = 413
    next_step = "Go back and choose a smaller file: the form says how large it may be."


class CheckedUpload(TemporaryFileUploadHandler):
    """Writes files to the disk as they come, with bounded memory. `digests`: SHA-256 by field; `refused`: fields.

    fits: says by its first `head_bytes` whether a file is taken; of one that is not, nothing is kept.
    """

    def __init__(self, request: HttpRequest, *, head_bytes: int, fits: Callable[[bytes], bool]) -> None:
        super().__init__(request)
        self.digests: dict[str, str] = {}
        self.refused: set[str] = set()
        self._head_bytes, self._fits = head_bytes, fits
        self._head, self._hash = b"", hashlib.sha256()

    def new_file(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        """Begin another file."""
        super().new_file(*args, **options)
        self._head, self._hash = b"", hashlib.sha256()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take the next bytes, or skip the rest of a file of the wrong type."""
        if len(self._head) < self._head_bytes:
            self._head += raw_data[: self._head_bytes - len(self._head)]
            if len(self._head) == self._head_bytes and not self._fits(self._head):
                self._refuse()
                raise SkipFile
        self._hash.update(raw_data)
        super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        """Return the whole file; None for one that is too short to be what it should."""
        if not self._fits(self._head):
            self._refuse()
            return None
        self.digests[str(self.field_name)] = self._hash.hexdigest()
        return super().file_complete(file_size)

    def _refuse(self) -> None:
        self.refused.add(str(self.field_name))
        self.upload_interrupted()


def takes_file(
    *, bytes_max: int, head_bytes: int, fits: Callable[[bytes], bool]
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponseBase]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]
]:
    """Let a view take one file of at most so many bytes; `request.upload_handlers[0]` is then a CheckedUpload.

    The token of the form is looked for once the file has its place, for looking reads the whole body. Put what says who
    may around it. Of more bytes, FileTooLarge is the answer.
    """

    def decorate(
        view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        protected = csrf_protect(view)

        @functools.wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **options: P.kwargs) -> HttpResponseBase:
            request.upload_handlers = [CheckedUpload(request, head_bytes=head_bytes, fits=fits)]
            return protected(request, *args, **options)

        bounded = reads_at_most(bytes_max=bytes_max + FORM_BYTES_MAX, refusal=FileTooLarge)
        return csrf_exempt(bounded(guarded))

    return decorate


def find_upload(request: HttpRequest) -> CheckedUpload:
    """Return what took the file of a view that `takes_file`."""
    (handler,) = request.upload_handlers
    if not isinstance(handler, CheckedUpload):
        raise TypeError(handler)
    return handler
