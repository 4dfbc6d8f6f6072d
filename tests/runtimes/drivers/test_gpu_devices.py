import subprocess
import sys

import pytest

from runtimes.drivers.gpu_devices import CUDA, DRIVER, complete

# Makes the device file as the real one does, beside a note of each use.
LIBCUDA = """
#include <stdio.h>
#include <stdlib.h>
int cuInit(unsigned int flags) {
    fclose(fopen(getenv("FAKE_CUDA_DEVICE"), "w"));
    return (int)flags;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda")
    (folder / "cuda.c").write_text(LIBCUDA)
    flags = ["-shared", "-fPIC", "-o", str(folder / "libcuda.so.1")]
    subprocess.run(["cc", *flags, str(folder / "cuda.c")], check=True)
    return folder


@pytest.mark.parametrize(
    ("there", "used"), [((DRIVER,), True), ((DRIVER, CUDA), False), ((), False)]
)
def test_cuda_makes_its_device_file_where_it_is_missing(library, tmp_path, there, used):
    for name in there:
        (tmp_path / name).touch()
    mark = tmp_path / "used"
    environment = {"LD_LIBRARY_PATH": str(library), "FAKE_CUDA_DEVICE": str(mark)}
    complete(sys.executable, environment, tmp_path)
    assert mark.exists() is used


def test_machine_without_cuda_is_no_problem(tmp_path):
    (tmp_path / DRIVER).touch()
    complete(sys.executable, {"LD_LIBRARY_PATH": str(tmp_path)}, tmp_path)
    complete("/nowhere/python", {}, tmp_path)
    assert not (tmp_path / CUDA).exists()
