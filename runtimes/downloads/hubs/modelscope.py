"""ModelScope, by its own library.

It would check hashes itself, and fetch what is wrong three times: hashes are kept from
it, since every file of every hub is checked once, when all are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelscope_hub import HubApi
from modelscope_hub.errors import (
    APIError,
    FileDownloadError,
    FileSizeMismatchError,
    HubError,
    NotExistError,
)

from runtimes.downloads.hubs.remote import (
    NONSENSE,
    OWN_FOLDER,
    Failed,
    Listing,
    RemoteFile,
    is_of_disk,
    of_status,
)

AT_ONCE = 4
KIND = "model"


class ModelScope:
    def __init__(self, endpoint: str, token: str) -> None:
        self.endpoint = endpoint
        self.api = HubApi(endpoint=endpoint, token=token or None)

    def listing(self, repo: str, revision: str) -> Listing:
        try:
            found = self.api.list_repo_files(repo, KIND, revision=revision or None)
            files = tuple(
                RemoteFile(path=file.path, size=file.size, sha256=file.sha256 or "")
                for file in found
                if not file.is_dir
            )
        except NotExistError as error:
            raise self._missing(repo, revision) from error
        except HubError as error:
            raise self._failed(error, repo, revision) from error
        except NONSENSE as error:
            raise Failed("not_a_hub", endpoint=self.endpoint) from error
        return Listing(commit="", files=files)

    def _missing(self, repo: str, revision: str) -> Failed:
        """The hub's response is the same for a missing repository and revision."""
        repository: dict[str, Any] = {"repo": repo, "revision": revision or "master"}
        try:
            exists = self.api.repo_exists(repo, KIND)
        except HubError:
            exists = False
        code = "revision_not_found" if exists else "repo_not_found"
        return Failed(code, **repository, setting="MODELSCOPE_API_TOKEN")

    def fetch(
        self, repo: str, revision: str, files: Sequence[RemoteFile], folder: str
    ) -> None:
        listed = [{"Path": file.path, "Size": file.size} for file in files]
        try:
            self.api.download_repo(
                repo,
                KIND,
                revision=revision or None,
                cache_dir=Path(folder, OWN_FOLDER),
                local_dir=folder,
                max_workers=AT_ONCE,
                file_list=listed,
            )
        except FileDownloadError as error:
            path, first = next(iter(error.failed_files.items()), ("", error))
            size = next((file.size for file in files if file.path == path), 0)
            if isinstance(first, FileSizeMismatchError):
                raise Failed("file_size_differs", path=path, size=size) from error
            raise self._failed(first, repo, revision) from error
        except HubError as error:
            raise self._failed(error, repo, revision) from error

    def _failed(self, error: BaseException, repo: str, revision: str) -> BaseException:
        for each in (error, error.__cause__):
            if isinstance(each, (Failed, MemoryError)) or (each and is_of_disk(each)):
                return each
        if isinstance(error, APIError) and error.status_code:
            repository = {"repo": repo, "revision": revision or "master"}
            setting = "MODELSCOPE_API_TOKEN"
            return of_status(error.status_code, self.endpoint, repository, setting)
        detail = f"{type(error).__name__}: {error}"[:200]
        code = "hub_unreachable"
        return Failed(code, passing=True, endpoint=self.endpoint, detail=detail)
