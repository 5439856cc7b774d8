"""Files from elsewhere: resumed where a download broke off, verified, from no other host.

What has come so far is in FILE.part. It is kept when the connection breaks, and the next call asks
for the rest; where the server has no parts of files, it begins anew.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tformer.model.errors import ModelError

CHUNK = 1 << 20
PATIENCE = 30.0
"""Seconds that a server may be silent."""

Progress = Callable[[int, int | None], None]
"""Told the bytes that are there, and how many there will be if that is known."""


@dataclass(frozen=True)
class RemoteFile:
    """A file and what it must be."""

    url: str
    size: int | None = None
    """Bytes; what is longer is refused before it fills the disk."""
    sha256: str | None = None


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects on a host, and none to another."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Refuse to go to another host, or from https to http."""
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            raise ModelError(f"{req.full_url}: sends to another host, {new.netloc}: not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def read_url(url: str, most: int) -> bytes:
    """A small file.

    Raises:
        ModelError: when it cannot be had, or is longer than ``most`` bytes.
    """
    data = bytearray()
    with _Reply(url, 0) as reply:
        while part := reply.read(most + 1 - len(data)):
            data += part
        total = reply.total
    if len(data) > most:
        raise ModelError(f"{url}: longer than {most} bytes")
    if total is not None and len(data) < total:
        raise ModelError(f"{url}: broke off after {len(data)} of {total} bytes; call again")
    return bytes(data)


def download(remote: RemoteFile, target: Path, progress: Progress | None = None) -> None:
    """Have a file at ``target``, whole and verified, or not at all.

    Raises:
        ModelError: when it cannot be had, or is not what it must be.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(remote, part, progress)
        if remote.size is not None and part.stat().st_size != remote.size:
            _refuse(part, f"{remote.url}: has {part.stat().st_size} bytes, not {remote.size}")
        if remote.sha256 is not None and digest(part) != remote.sha256.lower():
            _refuse(part, f"{remote.url}: its checksum is wrong: damaged, or not what it was")
        part.replace(target)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written ({error.strerror or error})") from error


def is_whole(remote: RemoteFile, file: Path) -> bool:
    """Tell if a file is there that is what it must be, as far as that is known."""
    if not file.is_file() or remote.size not in (None, file.stat().st_size):
        return False
    return remote.sha256 is None or digest(file) == remote.sha256.lower()


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _refuse(part: Path, why: str) -> None:
    part.unlink()
    raise ModelError(why)


def _fetch(remote: RemoteFile, part: Path, progress: Progress | None) -> None:
    there = part.stat().st_size if part.is_file() else 0
    if there and there == remote.size:
        return
    with _Reply(remote.url, there) as reply:
        there = there if reply.continues else 0
        total = remote.size if remote.size is not None else reply.total
        with part.open("ab" if there else "wb") as stream:
            while chunk := reply.read(CHUNK):
                there += len(chunk)
                if remote.size is not None and there > remote.size:
                    stream.close()
                    _refuse(
                        part, f"{remote.url}: longer than the {remote.size} bytes it should have"
                    )
                stream.write(chunk)
                if progress:
                    progress(there, total)
    if total is not None and there < total:
        raise ModelError(f"{remote.url}: broke off after {there} of {total} bytes; call again")


class _Reply:
    """An answer to a request for a file from byte ``start`` on; errors are ours."""

    def __init__(self, url: str, start: int) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ModelError(f"{url}: neither http nor https")
        headers = {"User-Agent": "tformer", **({"Range": f"bytes={start}-"} if start else {})}
        self._request = urllib.request.Request(url, headers=headers)
        self._url, self._start = url, start

    def __enter__(self) -> _Reply:
        opener = urllib.request.build_opener(_SameHost)
        try:
            self._reply: Any = opener.open(self._request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {error.reason}"
            error.close()
            raise ModelError(f"{self._url}: {reason}") from error
        except (OSError, HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", error))
            raise ModelError(f"{self._url}: cannot be reached ({reason})") from error
        return self

    def __exit__(self, *error: object) -> None:
        self._reply.close()

    @property
    def continues(self) -> bool:
        """True if it begins where it was asked to."""
        where = str(self._reply.headers.get("Content-Range", ""))
        return self._reply.status == 206 and where.startswith(f"bytes {self._start}-")

    @property
    def total(self) -> int | None:
        """Bytes of the whole file."""
        length = self._reply.headers.get("Content-Length", "")
        before = self._start if self.continues else 0
        return before + int(length) if length.isdigit() else None

    def read(self, size: int) -> bytes:
        """At most so many bytes, those that have come; none at the end."""
        try:
            return bytes(self._reply.read1(size))
        except (OSError, HTTPException) as error:
            raise ModelError(f"{self._url}: broke off ({error}); call again") from error
