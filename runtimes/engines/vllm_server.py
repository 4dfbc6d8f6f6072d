"""vLLM's own server with a key that no other user can read: `python - OPTIONS`.

This text is the program on standard input, followed by a call of serve() with the key:
in argv and environ, of child processes too, other users and `docker inspect` would see
it, and a file would have to be put into every image. Standard library and vLLM only.
"""

from __future__ import annotations

import argparse
import runpy
from typing import Any

SERVER = "vllm.entrypoints.openai.api_server"


class Secret(str):
    """Not every version of vLLM leaves the key out of the settings that it logs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def serve(api_key: str) -> None:
    parse = argparse.ArgumentParser.parse_args

    def with_key(*args: Any, **kwargs: Any) -> argparse.Namespace:
        settings: argparse.Namespace = parse(*args, **kwargs)
        settings.api_key = [Secret(api_key)]
        return settings

    argparse.ArgumentParser.parse_args = with_key  # type: ignore[method-assign,assignment]
    # As with -m: its child processes import the module that they find as __main__.
    runpy.run_module(SERVER, run_name="__main__", alter_sys=True)
