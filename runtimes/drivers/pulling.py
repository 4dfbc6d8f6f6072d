"""Progress of an image pull, as the Docker daemon reports it for each layer.

Layers that are here stay when it is broken off; the next pull goes on with the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from docker import APIClient, auth
from docker.utils import parse_repository_tag
from requests import Response

from runtimes.drivers.base import DriverError, Pulled
from runtimes.drivers.dockerd import Daemon

# Of silence: a large layer is checked and unpacked meanwhile.
SILENCE_S = 600
HERE = ("Already exists", "Pull complete")
FETCHED = ("Download complete", "Verifying Checksum", "Extracting", *HERE)


@dataclass(slots=True)
class Layer:
    """Bytes as transferred, compressed; 0: not reported yet."""

    total: int = 0
    fetched: int = 0
    here: bool = False

    def note(self, status: str, detail: Mapping[str, int]) -> None:
        self.here = self.here or status in HERE
        if status == "Downloading":
            self.total = max(self.total, detail.get("total", 0))
            self.fetched = detail.get("current", 0)
        elif status in FETCHED:
            self.fetched = self.total


def pull(daemon: Daemon, image: str) -> Iterator[Pulled]:
    """Raises DriverError pull_failed, docker_unavailable."""
    try:
        with (
            daemon.talk(SILENCE_S) as client,
            closing(_request(client, image)) as answer,
        ):
            if not answer.ok:
                raise PullError(answer.json()["message"])
            yield from progress(map(json.loads, answer.iter_lines()))
    except PullError as error:
        detail = str(error)[:400]
        raise DriverError("pull_failed", image=image, detail=detail) from None


def _request(client: APIClient, image: str) -> Response:
    """docker's own pull() leaves its connection open when it is not read to the end."""
    repository, tag = parse_repository_tag(image)
    registry, _ = auth.resolve_repository_name(repository)
    header = auth.get_config_header(client, registry)
    return client.post(
        f"{client.base_url}/v{client.api_version}/images/create",
        params={"fromImage": repository, "tag": tag or "latest"},
        headers={"X-Registry-Auth": header} if header else {},
        stream=True,
        timeout=client.timeout,
    )


class PullError(Exception):
    """With the daemon's own message."""


def progress(events: Iterable[Mapping[str, Any]]) -> Iterator[Pulled]:
    """After each event of a layer. Raises PullError."""
    layers: dict[str, Layer] = {}
    for event in events:
        if "error" in event:
            raise PullError(event["error"])
        status = event.get("status", "")
        if "id" not in event or status.startswith("Pulling from"):
            continue
        layer = layers.setdefault(event["id"], Layer())
        layer.note(status, event.get("progressDetail") or {})
        yield _pulled(layers)


def _pulled(layers: Mapping[str, Layer]) -> Pulled:
    return Pulled(
        layers=len(layers),
        layers_done=sum(layer.here for layer in layers.values()),
        bytes=sum(layer.total for layer in layers.values()),
        bytes_done=sum(layer.fetched for layer in layers.values()),
    )
