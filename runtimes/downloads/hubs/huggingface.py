"""Hugging Face, through its own library: metadata, headers, redirects and retries.

The library's download into a folder restarts each file in a new process. Models have
tens of gigabytes and processes get killed, so partial files are passed to the
library's lower-level function, which resumes them. Xet storage is off: it cannot
resume, and mirrors do not have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from runtimes.downloads.hubs.remote import (
    MAX_LISTED,
    NONSENSE,
    Failed,
    Listing,
    RemoteFile,
    is_of_disk,
    of_status,
)

AT_ONCE = 4
OWN_HOST = "huggingface.co"
SETTING = "HF_TOKEN"
# Bytes lost when the connection or the process ends, and the step of progress.
constants.DOWNLOAD_CHUNK_SIZE = 1024 * 1024


class HuggingFace:
    def __init__(self, endpoint: str, token: str) -> None:
        self.endpoint = endpoint
        # False: never a token that the library finds on this machine.
        self.token: str | bool = token or False
        self.api = HfApi(endpoint=endpoint, token=self.token)

    def listing(self, repo: str, revision: str) -> Listing:
        try:
            commit = self.api.model_info(repo, revision=revision or None).sha or ""
            entries = self.api.list_repo_tree(repo, recursive=True, revision=commit)
            found = [*islice(entries, MAX_LISTED + 1)]
            files = tuple(_file(e) for e in found if isinstance(e, RepoFile))
        except (HfHubHTTPError, httpx2.HTTPError) as error:
            raise self._failed(error, repo, revision) from error
        except NONSENSE as error:
            raise Failed("not_a_hub", endpoint=self.endpoint) from error
        if len(found) > MAX_LISTED:
            raise Failed("too_many_files", value=len(found), max=MAX_LISTED)
        return Listing(commit=commit, files=files)

    def fetch(
        self, repo: str, revision: str, files: Sequence[RemoteFile], folder: str
    ) -> None:
        for file in files:
            if file.size > constants.MAX_HTTP_DOWNLOAD_SIZE:
                most = constants.MAX_HTTP_DOWNLOAD_SIZE // 10**9
                raise Failed("file_too_large", path=file.path, max=most)
        pool = ThreadPoolExecutor(AT_ONCE)
        futures = [
            pool.submit(self._fetch, repo, revision, file, Path(folder, file.path))
            for file in files
        ]
        try:
            for future in futures:
                future.result()
        finally:
            # The first failure is reported at once, not after the other files.
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, repo: str, revision: str, file: RemoteFile, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as out:
            if out.tell() > file.size:
                out.truncate(0)
            if (here := out.tell()) == file.size:
                return
            try:
                url, headers = self._location(repo, revision, file.path)
                http_get(
                    url,
                    cast(BinaryIO, Bounded(out, file)),
                    resume_size=here,
                    headers=headers,
                    expected_size=file.size,
                )
            except (HfHubHTTPError, httpx2.HTTPError, FileMetadataError) as error:
                raise self._failed(error, repo, revision) from error
            except OSError as error:
                raise _of_disk(error, file.path) from error

    def _location(
        self, repo: str, revision: str, path: str
    ) -> tuple[str, dict[str, str]]:
        """URL and headers of the content. Only the hub receives the token; storage
        servers are addressed by signed URLs."""
        url = hf_hub_url(repo, path, revision=revision, endpoint=self.endpoint)
        metadata = get_hf_file_metadata(url, token=self.token, endpoint=self.endpoint)
        host = urlsplit(metadata.location).netloc
        is_own = host in (urlsplit(self.endpoint).netloc, OWN_HOST)
        headers = build_hf_headers(token=self.token if is_own else False)
        return metadata.location, headers

    def _failed(self, error: Exception, repo: str, revision: str) -> Failed:
        repository: dict[str, Any] = {"repo": repo, "revision": revision or "main"}
        if isinstance(error, GatedRepoError):
            return Failed("repo_gated", **repository, setting=SETTING)
        if isinstance(error, RevisionNotFoundError):
            return Failed("revision_not_found", **repository)
        if isinstance(error, RepositoryNotFoundError):
            return Failed("repo_not_found", **repository, setting=SETTING)
        if isinstance(error, HfHubHTTPError):
            status = error.response.status_code
            # Without a token, what is private looks like what does not exist.
            status = 404 if status == 401 and not self.token else status
            return of_status(status, self.endpoint, repository, SETTING)
        if isinstance(error, FileMetadataError):
            return Failed("not_a_hub", endpoint=self.endpoint)
        detail = f"{type(error).__name__}: {error}"[:200]
        code = "hub_unreachable"
        return Failed(code, passing=True, endpoint=self.endpoint, detail=detail)


class Bounded:
    """The part of a file that http_get uses; cut off at the size in the listing."""

    def __init__(self, out: BinaryIO, file: RemoteFile) -> None:
        self.out = out
        self.file = file
        self.tell, self.seek, self.truncate = out.tell, out.seek, out.truncate

    def write(self, data: bytes) -> int:
        left = self.file.size - self.out.tell()
        written = self.out.write(data[: max(0, left)])
        if len(data) > left:
            path, size = self.file.path, self.file.size
            raise Failed("file_size_differs", path=path, size=size)
        return written


def _file(entry: RepoFile) -> RemoteFile:
    if entry.lfs is None:
        return RemoteFile(path=entry.path, size=entry.size, git_sha1=entry.blob_id)
    return RemoteFile(path=entry.path, size=entry.lfs.size, sha256=entry.lfs.sha256)


def _of_disk(error: OSError, path: str) -> Exception:
    """The library also raises OSError when it received fewer bytes than expected."""
    if is_of_disk(error):
        return error
    return Failed("download_cut", passing=True, path=path)
