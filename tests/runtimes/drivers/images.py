"""Images made of this machine's own files, since no registry may be in reach: one like
the product's engine, and one that the product's own can be built on."""

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[3]
TOOLS = ["/bin/sh", "/bin/sleep", "/bin/cat", "/usr/bin/id"]
BUILD_TOOLS = ["/bin/mv", "/bin/rm", "/bin/mkdir", "/bin/chown"]
TIME_ZONE = "/usr/share/zoneinfo/UTC"
LEFT_OUT = re.compile(r"/(test|tests|idlelib|lib2to3|site-packages|dist-packages)(/|$)")
LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}
PYTHON = "usr/bin/python3"


def archive() -> bytes:
    return _written(TOOLS, _python, _engine)


def base() -> bytes:
    files = [*TOOLS, *BUILD_TOOLS, TIME_ZONE]
    return _written(files, _python, _libraries_of_wheels)


def _written(files: list[str], *parts: Callable[[tarfile.TarFile], None]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, target in LINKS.items():
            _link(tar, name, target)
        _folder(tar, "tmp")
        for path in files:
            _file(tar, Path(path))
        for add in parts:
            add(tar)
    return written.getvalue()


def _python(tar: tarfile.TarFile) -> None:
    program = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}))
    tar.add(stdlib, _place(stdlib), filter=_lean)
    for extension in (stdlib / "lib-dynload").glob("*.so"):
        _libraries(tar, extension)
    _file(tar, program)
    if str(program) != f"/{PYTHON}":
        _link(tar, PYTHON, str(program))


def _libraries_of_wheels(tar: tarfile.TarFile) -> None:
    """Of the system, such as that of C++; all others are in the wheels."""
    for library in Path(find_spec("xllamacpp").origin).parent.glob("*.so"):
        _libraries(tar, library)


def _engine(tar: tarfile.TarFile) -> None:
    package = Path(find_spec("xllamacpp").origin).parent
    tar.add(ROOT / "runtimes/engines", "opt/engine", filter=_lean)
    tar.add(package, "opt/engine/xllamacpp", filter=_lean)
    libraries = package.with_name("xllamacpp.libs")
    if libraries.is_dir():
        tar.add(libraries, "opt/engine/xllamacpp.libs")
    for library in [*package.glob("*.so"), *libraries.glob("*.so*")]:
        _libraries(tar, library)


def _file(tar: tarfile.TarFile, path: Path) -> None:
    tar.add(path.resolve(), _place(path))
    _libraries(tar, path)


def _libraries(tar: tarfile.TarFile, path: Path) -> None:
    """Those of the system, under the names they are looked for."""
    needed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    for found in re.findall(r"(/\S+) \(0x", needed.stdout):
        if _place(Path(found)) not in tar.getnames() and "site-packages" not in found:
            tar.add(Path(found).resolve(), _place(Path(found)))


def _place(path: Path) -> str:
    """Where a file lies once /bin and /lib are links."""
    name = str(path).lstrip("/")
    first = name.split("/", 1)[0]
    return f"usr/{name}" if first in LINKS else name


def _lean(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    compiled = "__pycache__" in entry.name
    return None if compiled or LEFT_OUT.search(f"/{entry.name}") else entry


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _folder(tar: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
    tar.addfile(entry)
