"""Speaking to an S3-compatible store: one client for each process, and its errors in our words.

boto3 repeats what may be repeated after a lost connection, an answer of 5xx or "slow down": every call made here leaves
the same behind when it is made twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from lilong.common.sentences import say
from lilong.foundation.objects.storage import BucketMissing, StorageFull, StorageRefused, StorageUnreachable

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

ATTEMPTS = 3
CONNECT_S = 5
CONNECTIONS_MAX = 64
RETRY_AFTER_S = 10

_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "InsufficientStorageSpace"}
_BUSY = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound)
MISSING = {"NoSuchKey", "404", "NotFound"}


@lru_cache(maxsize=8)
def open_client(*, endpoint_url: str, region: str, timeout_s: int) -> "S3Client":
    """Return the process's client; threads share it. Credentials are where boto3 looks for them, read once."""
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS_MAX,
        # Newer checksums are refused by many stores that are not Amazon's; every write here carries a Content-MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # Stores with an address of their own have no name for each bucket in the domain name system.
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    with store_errors():
        session = boto3.session.Session()
        return session.client("s3", endpoint_url=endpoint_url or None, region_name=region, config=config)


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what boto3 raises into our errors, but for answers that something is not there, which the caller knows."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        detail = say("It answered {code} to {operation}.", code=code, operation=error.operation_name)
        if code == "NoSuchBucket":
            raise BucketMissing(detail=detail) from error
        if code in _FULL or status == HTTPStatus.INSUFFICIENT_STORAGE:
            raise StorageFull(detail=detail) from error
        if code in _BUSY or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StorageUnreachable(detail=detail, retry_after_s=RETRY_AFTER_S) from error
        if code in MISSING or code == "NoSuchUpload":
            raise
        raise StorageRefused(detail=detail) from error
    except _NO_CREDENTIALS as error:
        raise StorageRefused(detail=str(error)) from error
    except BotoCoreError as error:
        raise StorageUnreachable(detail=f"{type(error).__name__}.", retry_after_s=RETRY_AFTER_S) from error


def code_of(error: ClientError) -> str:
    """Return the store's own word for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))
