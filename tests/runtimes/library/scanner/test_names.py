import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from models_app.models import name_is_slug
from runtimes.library.scanner.names import name_of
from runtimes.library.scanner.units import (
    format_bytes,
    format_count,
    format_mib,
    printable,
)


@pytest.mark.parametrize(
    ("title", "taken", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1", [], "smollm2-135m-instruct.q4_1"),
        ("Qwen 3 (final)", [], "qwen-3-final"),
        ("模型", [], "model"),
        ("模型 7B", [], "7b"),
        ("2024", [], "model-2024"),
        ("Ünïcode", [], "unicode"),
        ("--..__", [], "model"),
        ("a" * 80, [], "a" * 63),
        ("a", ["a"], "a-2"),
        ("a", ["a", "a-2"], "a-3"),
        ("a" * 63, ["a" * 63], "a" * 61 + "-2"),
        ("a" * 60 + "-bcd", ["a" * 60 + "-bc"], "a" * 60 + "-2"),
    ],
)
def test_name_by_title(title, taken, name):
    assert name_of(title, taken) == name


@given(title=st.text(max_size=90), others=st.integers(0, 3))
def test_any_title_gives_a_name_that_may_be_used(title, others):
    taken = set()
    for _ in range(others):
        taken.add(name_of(title, taken))
    name = name_of(title, taken)
    assert name not in taken
    try:
        name_is_slug(name)
    except ValidationError:
        pytest.fail(name)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (98_362_432, "93.8 MiB"),
        (150 * 2**30, "150 GiB"),
        (2**60, "1048576 TiB"),
    ],
)
def test_sizes_are_formatted(size, text):
    assert format_bytes(size) == text


def test_other_numbers_are_formatted():
    assert (format_mib(None), format_mib(0), format_mib(1536)) == ("", "0 B", "1.5 GiB")
    assert [format_count(n) for n in (0, 1800, 134_515_008, 7 * 10**9, 10**13)] == [
        "", "1.8 K", "135 M", "7 B", "10000 B"
    ]  # fmt: skip


def test_line_for_a_terminal_commands_nothing():
    assert printable("a\x1b[31m\nb\udcffc 模型") == "a\ufffd[31m\ufffdb\ufffdc 模型"
