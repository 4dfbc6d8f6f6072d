"""Serves files NAME.echo, whose text is the greeting of each answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from common.problems import Problem
from runtimes.frameworks.base import (
    Command,
    Config,
    Contents,
    Estimate,
    Exit,
    Framework,
    Placement,
    Share,
)
from runtimes.frameworks.candidates import Candidate, Folder
from runtimes.frameworks.endings import classify, pattern
from runtimes.frameworks.engines import EngineKind, Place
from runtimes.frameworks.fields import Integer, Text, bad_values, unknown_keys
from runtimes.frameworks.paths import path_problem, resolve_inside
from runtimes.frameworks.sampling import SAMPLING

SERVER = Path(__file__).with_name("server.py")
SUFFIX = ".echo"
FIELD = "config.greeting_file"
ENDINGS = (("port_in_use", pattern("address already in use")),)


class Echo(Framework):
    name = "echo"
    fields = {
        "greeting_file": Text(max_bytes=4096),
        "window": Integer(min=1, max=4096),
        "delay_s": Integer(min=0, max=60),
        **SAMPLING,
    }
    engines = (EngineKind(name="echo", install="see python.org", place=Place.PLATFORM),)
    model_key = "greeting_file"
    file_suffixes = (SUFFIX,)
    context_key = "window"
    usual_context = 256
    weightless_keys = frozenset(SAMPLING)

    def check(
        self,
        config: Config,
        *,
        model_roots: Sequence[Path],
        gpu_count: int | None = None,
    ) -> list[Problem]:
        keys = list(self.fields)
        problems = [*unknown_keys(config, keys), *bad_values(config, self.fields)]
        if self.model_key not in config:
            params = {"key": self.model_key}
            problems.append(Problem(code="missing_key", field=FIELD, params=params))
        if not problems:
            path = resolve_inside(cast(str, config[self.model_key]), model_roots, FIELD)
            if isinstance(path, Problem):
                problems.append(path)
            elif not path.is_file():
                problems.append(path_problem("file_missing", FIELD, path))
        return problems

    def candidates(self, folder: Folder) -> Iterable[Candidate]:
        for name in folder.files:
            if name.endswith(SUFFIX):
                path = f"{folder.path}/{name}"
                yield Candidate(
                    path=path,
                    framework=self.name,
                    title=name.removesuffix(SUFFIX),
                    config={self.model_key: path},
                    version=folder.version([name]),
                )

    def engine(self, config: Config, gpu_count: int) -> str:
        return "echo"

    def contents(self, config: Config) -> Contents | Problem:
        path = Path(cast(str, config[self.model_key]))
        size = path.stat().st_size
        return Contents(
            paths=(path,), bytes=size, architectures=("greeting",), context=1024
        )

    def command(self, config: Config, placement: Placement) -> Command:
        path, delay = str(config[self.model_key]), str(config.get("delay_s", 0))
        address = placement.socket or f"{placement.host}:{placement.port}"
        return Command(
            argv=(placement.program, "-I", str(SERVER), address, path, delay),
            env={},
            stdin=f"{placement.api_key}\n",
        )

    def memory(self, config: Config, gpu_count: int) -> Estimate | Problem:
        window = cast(int, config.get(self.context_key, self.usual_context))
        host = Share(weights_mib=16, kv_cache_mib=window // 64)
        return Estimate(n_ctx=window, gpu=Share(), host=host)

    def in_flight(self, text: str) -> int | None:
        return int(text) if text.isdigit() else None

    def end_reason(self, exit: Exit, log_tail: str) -> str:
        return classify(exit, log_tail, ENDINGS)
