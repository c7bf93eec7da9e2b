"""What we do in a bucket: write, read, list, join and delete names, each call finished or without effect."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lilong.common.sentences import say
from lilong.foundation.objects.s3_client import MISSING, code_of, store_errors
from lilong.foundation.objects.storage import READ_BYTES, BytesMissing, StorageUnreachable

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

THREADS = 8
REOPENED_MOST = 3


class Bucket:
    """One bucket of a store; threads may share it."""

    def __init__(self, *, client: "S3Client", name: str) -> None:
        self._client, self._bucket = client, name

    def put(self, *, name: str, content: bytes) -> None:
        """Write a few bytes under a name; the store refuses bytes that changed on their way."""
        with store_errors():
            self._client.put_object(Bucket=self._bucket, Key=name, Body=content, ContentMD5=_sum_md5(content))

    def find_size(self, *, name: str) -> int | None:
        """Return how many bytes lie under a name, or None when there is nothing."""
        try:
            with store_errors():
                return self._client.head_object(Bucket=self._bucket, Key=name)["ContentLength"]
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            raise

    def read(self, *, name: str, start: int, end: int) -> "BucketStream":
        """Open the bytes `[start, end)` of a name, which is asked for when the first are read."""
        return BucketStream(bucket=self, name=name, start=start, end=end)

    def read_all(self, *, name: str, size_bytes: int) -> bytes:
        """Return all bytes of a short name."""
        with closing(self.read(name=name, start=0, end=size_bytes)) as stream:
            return b"".join(stream)

    def open_body(self, *, name: str, start: int, end: int) -> "StreamingBody":
        """Ask for the bytes `[start, end)` of a name, at least one; raises BytesMissing."""
        try:
            with store_errors():
                answer = self._client.get_object(Bucket=self._bucket, Key=name, Range=f"bytes={start}-{end - 1}")
        except ClientError as error:
            if code_of(error) in MISSING:
                raise BytesMissing(detail=say("{name} is not in the bucket.", name=name)) from error
            raise
        return answer["Body"]

    def list_names(self, *, beginning: str) -> Iterator[tuple[str, datetime]]:
        """Yield every name that begins so and when it was written, in the order of names."""
        pages = self._client.get_paginator("list_objects_v2")
        with store_errors():
            for page in pages.paginate(Bucket=self._bucket, Prefix=beginning):
                for found in page.get("Contents", []):
                    yield found["Key"], found["LastModified"]

    def delete(self, *, names: Iterable[str]) -> None:
        """Delete whatever lies under these names, several at once; nothing happens for those that are not there."""
        todo = list(names)
        if not todo:
            return
        with ThreadPoolExecutor(min(THREADS, len(todo))) as threads:
            for _ in threads.map(self._delete, todo):
                pass

    def copy(self, *, source: str, name: str) -> None:
        """Copy what lies under `source`, at most 5 GiB, inside the store; raises BytesMissing."""
        try:
            with store_errors():
                self._client.copy_object(
                    Bucket=self._bucket, Key=name, CopySource={"Bucket": self._bucket, "Key": source}
                )
        except ClientError as error:
            raise BytesMissing(detail=say("{name} is not in the bucket.", name=source)) from error

    def begin_join(self, *, name: str) -> str:
        """Begin to put an object together and return the token of it."""
        with store_errors():
            return self._client.create_multipart_upload(Bucket=self._bucket, Key=name)["UploadId"]

    def join_copy(self, *, name: str, join: str, number: int, source: str) -> "CompletedPartTypeDef":
        """Make what lies under `source` piece `number` of the object; raises BytesMissing."""
        try:
            with store_errors():
                answer = self._client.upload_part_copy(
                    Bucket=self._bucket,
                    Key=name,
                    UploadId=join,
                    PartNumber=number,
                    CopySource={"Bucket": self._bucket, "Key": source},
                )
        except ClientError as error:
            raise BytesMissing(detail=say("{name} is not in the bucket.", name=source)) from error
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    def join_bytes(self, *, name: str, join: str, number: int, content: bytes) -> "CompletedPartTypeDef":
        """Make these bytes piece `number` of the object."""
        with store_errors():
            answer = self._client.upload_part(
                Bucket=self._bucket,
                Key=name,
                UploadId=join,
                PartNumber=number,
                Body=content,
                ContentMD5=_sum_md5(content),
            )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def end_join(self, *, name: str, join: str, pieces: "list[CompletedPartTypeDef]") -> None:
        """Give the object its name. Called twice after a lost answer it finds that it is there."""
        try:
            with store_errors():
                self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=name, UploadId=join, MultipartUpload={"Parts": pieces}
                )
        except ClientError:
            if self.find_size(name=name) is None:
                raise

    def drop_join(self, *, name: str, join: str) -> None:
        """Give an object up that was begun; nothing happens when that is over."""
        try:
            with store_errors():
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=join)
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise

    def list_joins(self, *, beginning: str) -> Iterator[tuple[str, str, datetime]]:
        """Yield name, token and beginning of each object that was begun and not ended."""
        pages = self._client.get_paginator("list_multipart_uploads")
        with store_errors():
            for page in pages.paginate(Bucket=self._bucket, Prefix=beginning):
                for begun in page.get("Uploads", []):
                    yield begun["Key"], begun["UploadId"], begun["Initiated"]

    def _delete(self, name: str) -> None:
        with store_errors():
            self._client.delete_object(Bucket=self._bucket, Key=name)


class BucketStream:
    """Chunks of one name from `start` up to `end`; a connection that breaks is made again where it broke."""

    def __init__(self, *, bucket: Bucket, name: str, start: int, end: int) -> None:
        self._bucket, self._name = bucket, name
        self._position, self._end = start, end
        self._body: StreamingBody | None = None
        self._reopened = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while self._position < self._end:
            if piece := self._read():
                self._position += len(piece)
                return piece
            self._reopened += 1
            if self._reopened > REOPENED_MOST:
                raise StorageUnreachable(
                    detail=say("{name} breaks off at byte {position}.", name=self._name, position=self._position)
                )
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Give the connection up."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def _read(self) -> bytes:
        """Return the next bytes, or none where the connection broke."""
        if self._body is None:
            self._body = self._bucket.open_body(name=self._name, start=self._position, end=self._end)
        try:
            piece = self._body.read(min(READ_BYTES, self._end - self._position))
        except BotoCoreError:
            piece = b""
        if not piece:
            self.close()
        return piece


def _sum_md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
