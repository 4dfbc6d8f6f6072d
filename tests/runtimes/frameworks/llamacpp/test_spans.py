import time

import pytest

from runtimes.frameworks.llamacpp.gguf import (
    MAX_HEADER,
    MAX_STRINGS,
    SPANS,
    BadGguf,
    read_header,
)
from runtimes.frameworks.llamacpp.spans import (
    ENDS,
    KEPT,
    WORTH_KEEPING,
    Span,
    Spans,
    walk,
)
from tests.gguf import LLAMA, a_gguf, text

VOCABULARY = [f"word {number:05}" for number in range(WORTH_KEEPING // 16)]
TOKENS = "tokenizer.ggml.tokens"


def test_walk_ends_where_lengths_are_no_longer_held():
    held = bytearray(text("ab") + text("cd") + text("e"))
    assert walk(held, 0, 3) == (28, 29, 0)
    assert walk(held[:20], 0, 3) == (18, 20, 1)
    assert walk(held[:9], 0, 3) == (8, 10, 2)


def test_long_arrays_are_kept_and_not_too_many():
    spans = Spans()
    spans.keep((1, b"short"), WORTH_KEEPING - 1, b"")
    for number in range(2 * KEPT):
        spans.keep((number, b"head"), WORTH_KEEPING, b"tail")
    assert len(spans.known) == KEPT
    assert spans.find((1, b"short")) is spans.find((0, b"head")) is None
    assert spans.find((2 * KEPT - 1, b"head")) == Span(WORTH_KEEPING, b"tail")


@pytest.fixture
def read(tmp_path):
    def reads(tokens, **values):
        path = tmp_path / "m.gguf"
        path.write_bytes(a_gguf({**LLAMA, TOKENS: tokens, "after": 7, **values}))
        return read_header(path)

    SPANS.known.clear()
    return reads


def test_known_vocabulary_gives_the_same_header(read):
    first = read(VOCABULARY)
    assert [(count, span.size) for (count, _), span in SPANS.known.items()] == [
        (len(VOCABULARY), 18 * len(VOCABULARY))
    ]
    assert read(VOCABULARY) == first


@pytest.mark.parametrize(
    "tokens",
    [
        ["other 00000", *VOCABULARY[1:]],
        [*VOCABULARY[:-1], "word x"],
        [*VOCABULARY[:-1], "word " + "x" * ENDS],
        [*VOCABULARY[:3000], "longer than those were", *VOCABULARY[3001:]],
        [*VOCABULARY[:3000], "", *VOCABULARY[3001:]],
        VOCABULARY[:-1],
        [*VOCABULARY, "one more"],
    ],
)
def test_vocabulary_that_differs_is_read_as_it_is(read, tokens):
    read(VOCABULARY)
    header = read(tokens, more="text")
    assert header.lengths == {TOKENS: len(tokens)}
    assert (header.values["after"], header.values["more"]) == (7, "text")


def test_known_vocabulary_that_is_cut_is_reported(read, tmp_path):
    read(VOCABULARY)
    path = tmp_path / "m.gguf"
    whole = path.read_bytes()
    start = whole.index(b"word 00000")
    for end in (start + 2, start + ENDS, whole.index(b"word 03000"), -400):
        path.write_bytes(whole[:end])
        with pytest.raises(BadGguf) as caught:
            read_header(path)
        assert caught.value.problem.code == "gguf_truncated"


def test_empty_strings_without_end_take_no_time(tmp_path):
    """As many as a header may have."""
    path = tmp_path / "m.gguf"
    head = a_gguf({"k": ["first"]})
    start = head.index(text("first"))
    path.write_bytes(head[: start - 8] + MAX_STRINGS.to_bytes(8, "little"))
    with path.open("ab") as file:
        file.truncate(MAX_HEADER)
    began = time.process_time()
    with pytest.raises(BadGguf):
        read_header(path)
    assert time.process_time() - began < 20
