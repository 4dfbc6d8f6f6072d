"""python -m llmplatform.servers web|api"""

from __future__ import annotations

import sys
from importlib import import_module

import llmplatform.asgi  # noqa: F401 -- the next ones need the app registry
from common.database import NewerDatabase, refuse_at_start

SERVERS = ("web", "api")


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in SERVERS:
        sys.exit(f"usage: python -m llmplatform.servers {'|'.join(SERVERS)}")
    try:
        refuse_at_start()
    except NewerDatabase as error:
        sys.exit(f"error: {error}")
    # Each module brings a server of its own, and daphne's claims the event loop.
    import_module(f"llmplatform.servers.{arguments[0]}").run()


if __name__ == "__main__":
    main(sys.argv[1:])
