"""What an object store's refusal means, said without its own words: those may hold keys, signatures and headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import obstore.exceptions

from fledge.errors import StorageError, add_note

__all__ = ["MissingError", "told_as_storage_error"]

_BY_CODE = {
    "NoSuchBucket": "the bucket {bucket!r} does not exist. Create it, or correct its name",
    "ContainerNotFound": "the container {bucket!r} does not exist. Create it, or correct its name",
    "InvalidBucketName": "{bucket!r} is no name for a bucket",
    "RequestTimeTooSkewed": "the clock of this machine is wrong, so requests are refused. Set it",
    "ExpiredToken": "the credentials have expired. Get new ones",
    "InvalidAccessKeyId": "the credentials are not known there. Check the access key",
    "AuthenticationFailed": "the credentials are wrong. Check the key of the account",
    "SignatureDoesNotMatch": "the credentials are wrong. Check the secret key",
    "AccessDenied": "these credentials may not do that. Ask for the permission",
    "SlowDown": "the store asks for fewer requests. Try again later",
    "ServerBusy": "the store asks for fewer requests. Try again later",
    "EntityTooLarge": "is too large for one object",
    "NoSuchUpload": "the upload was ended from elsewhere",
}
# Another attempt may succeed.
_PASSING = ("RequestTimeTooSkewed", "ExpiredToken", "SlowDown", "ServerBusy", "NoSuchUpload")
_BY_STATUS = {
    "401": "the credentials are missing or not accepted",
    "403": "these credentials may not do that, or are wrong. Check them and their permissions",
    "404": "does not exist",
    "412": "changed while it was read. Read it again",
    "429": "the store asks for fewer requests. Try again later",
}


class MissingError(StorageError):
    """Nothing is there."""


@contextmanager
def told_as_storage_error(uri: str) -> Iterator[None]:
    """Turn errors of obstore into StorageError with a reason of ours. Their text is left out, cause included."""
    try:
        yield
    except StorageError:
        raise
    except FileNotFoundError as exc:
        if re.search(r"<Code>(NoSuchBucket|ContainerNotFound)<", str(exc)):
            raise _with_notes(_told(uri, str(exc)), exc) from None
        raise MissingError(uri, "does not exist", recoverable=False) from None
    except (obstore.exceptions.BaseError, ValueError) as exc:
        raise _with_notes(_told(uri, str(exc)), exc) from None  # the cause's text may hold credentials
    except OSError as exc:  # of the local file
        raise StorageError(uri, f"cannot be copied: {exc.strerror or exc}") from exc


def _with_notes(error: StorageError, exc: BaseException) -> StorageError:
    """The notes are ours, and say no secrets."""
    for note in getattr(exc, "__notes__", ()):
        add_note(error, note)
    return error


def _told(uri: str, text: str) -> StorageError:
    code = _first(r"<Code>(\w+)</Code>", text)
    status = _first(r"status code: (\d{3})", text)
    if code in _BY_CODE:
        reason = f"{_BY_CODE[code].format(bucket=urlsplit(uri).netloc.partition('@')[0])} ({code})"
        return StorageError(uri, reason, recoverable=code in _PASSING)
    if status in _BY_STATUS:
        reason = _BY_STATUS[status] + (f" ({code})" if code else "")
        return StorageError(uri, reason, recoverable=status in ("412", "429"))
    if "parse path" in text.lower() or "invalid path" in text.lower():
        return StorageError(uri, "is no name for an object: parts may not be empty, '.' or '..'", recoverable=False)
    return StorageError(uri, _reason(status, code, text))


def _reason(status: str, code: str, text: str) -> str:
    """For what another attempt may mend."""
    attempts = _first(r"after (\d+) retries", text)
    tried = f", after {int(attempts) + 1} attempts" if attempts else ""
    if status:
        return f"the store failed with status {status}{f' ({code})' if code else ''}{tried}"
    lowered = text.lower()
    if "credential" in lowered or "instance metadata" in lowered or "no such host: metadata" in lowered:
        return "no credentials were found. Set those of the store in the environment (AWS_ACCESS_KEY_ID, ...)"
    if "timed out" in lowered or "timeout" in _first(r"kind: (\w+)", text).lower():
        return f"the store did not answer in time{tried}"
    if "kind: connect" in lowered:
        return f"the store cannot be reached{tried}. Check the network and the endpoint"
    if "http error" in lowered or "kind: " in lowered:
        return f"the connection broke{tried}"
    return f"the store failed ({_first(r'^(Generic [A-Za-z0-9]+ error)', text) or 'no reason known'})"


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""
