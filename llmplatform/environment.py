"""Read settings from environment variables, then from DATA_DIR/platform.env.

Deployment writes its choices (ports, database, ...) to that file, so that a command run
by hand sees the same installation as the roles under supervisord.
"""

import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

import psutil


class Environment:
    def __init__(self, variables: Mapping[str, str], base_dir: Path) -> None:
        self.variables = variables
        data_dir = Path(variables.get("DATA_DIR") or "var")
        self.data_dir = base_dir / data_dir.expanduser()
        self.file = _read_file(self.data_dir / "platform.env")

    def text(self, name: str, default: str = "") -> str:
        """The content of the file named by NAME_FILE, or the value of NAME."""
        for source in (self.variables, self.file):
            if path := source.get(f"{name}_FILE"):
                return Path(path).read_text().strip()
            if value := source.get(name):
                return value
        return default

    def number(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        try:
            return int(value)
        except ValueError:
            raise SystemExit(f"{name}={value!r}: must be an integer") from None

    def flag(self, name: str, default: bool = False) -> bool:
        return self.text(name, str(default)).lower() in {"1", "true", "yes", "on"}

    def items(self, name: str, default: str = "") -> list[str]:
        return [part.strip() for part in self.text(name, default).split(",") if part]

    def secret_key(self) -> str:
        """SECRET_KEY, or a key generated once and kept in DATA_DIR/secret_key."""
        return self.text("SECRET_KEY") or _generate_once(self.data_dir / "secret_key")


def _read_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    return {name.strip(): value.strip() for name, value in pairs}


def _generate_once(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        # Two roles may start at the same time: link() makes exactly one draft the key.
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def local_hosts() -> str:
    """The names and addresses of this machine, separated by commas."""
    addresses = [
        f"[{a.address.split('%')[0]}]" if a.family == socket.AF_INET6 else a.address
        for interface in psutil.net_if_addrs().values()
        for a in interface
        if a.family in (socket.AF_INET, socket.AF_INET6)
    ]
    return ",".join([".localhost", socket.gethostname(), *addresses])
