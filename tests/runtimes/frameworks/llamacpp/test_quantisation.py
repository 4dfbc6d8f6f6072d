from pathlib import Path

import pytest

from runtimes.frameworks.llamacpp.gguf import Header, Tensor
from runtimes.frameworks.llamacpp.quantisation import quantisation_of


def a_header(file_type=None, *types: tuple[int, int]) -> Header:
    """types: number of a type, and bytes."""
    tensors = [
        Tensor(name="t", elements=1, type=number, bytes=size) for number, size in types
    ]
    values = {} if file_type is None else {"general.file_type": file_type}
    return Header(path=Path(), values=values, lengths={}, tensors=tuple(tensors))


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([a_header(15)], "Q4_K_M"),
        ([a_header(1024 + 15)], "Q4_K_M"),
        ([a_header(15, (8, 100))], "Q4_K_M"),
        ([a_header(None, (12, 90), (14, 100), (12, 20))], "Q4_K"),
        ([a_header(None, (1, 50)), a_header(None, (8, 60))], "Q8_0"),
        ([a_header(999, (39, 100))], "MXFP4"),
        ([a_header("7", (30, 100))], "BF16"),
        ([a_header(None, (99, 100))], ""),
        ([a_header()], ""),
    ],
)
def test_quantisation_by_file_type_else_by_tensors(headers, name):
    assert quantisation_of(headers) == name
