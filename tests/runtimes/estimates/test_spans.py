import time

import pytest

from runtimes.estimates.gguf import MAX_HEADER, MAX_STRINGS, BadGguf, read_header
from runtimes.estimates.spans import KEPT_BYTES, WORTH_KEEPING, Spans, walk
from tests.gguf import LLAMA, a_gguf, text

WORDS = [f"word {n}" for n in range(WORTH_KEEPING)]


def spans_of(words):
    held = bytearray(b"".join(map(text, words)))
    spans = Spans()
    spans.keep(held, 0, len(held), len(words))
    return spans, held


def test_walk_ends_where_lengths_are_no_longer_held():
    held = bytearray(text("ab") + text("cd") + text("e"))
    assert walk(held, 0, 3) == (28, 29, 0)
    assert walk(held[:20], 0, 3) == (18, 20, 1)
    assert walk(held[:9], 0, 3) == (8, 10, 2)


def test_known_array_is_known_again():
    spans, held = spans_of(WORDS)
    assert spans.knows(held + b"more", 0, len(WORDS))
    assert spans.length(held, 0, len(WORDS)) == len(held)


@pytest.mark.parametrize("at", [70, 5000, -1])
def test_array_that_differs_in_a_byte_is_not_known(at):
    spans, held = spans_of(WORDS)
    held[at] ^= 1
    assert not spans.knows(held, 0, len(WORDS))


def test_other_counts_and_cut_arrays_are_not_known():
    spans, held = spans_of(WORDS)
    assert not spans.knows(held, 0, len(WORDS) - 1)
    assert not spans.knows(held[:-1], 0, len(WORDS))
    assert not spans_of(WORDS[:-1])[0].known  # too short to be worth it


def test_only_so_much_is_kept_and_what_was_met_last_stays():
    spans, held = spans_of(WORDS)
    long = held + bytes(KEPT_BYTES // 4)
    for count in range(WORTH_KEEPING + 1, WORTH_KEEPING + 9):
        assert spans.knows(long, 0, len(WORDS))
        spans.keep(long, 0, len(long), count)
    assert sum(map(len, spans.known.values())) <= KEPT_BYTES
    assert [count for count, _ in spans.known][-1] == WORTH_KEEPING + 8
    assert spans.knows(long, 0, len(WORDS))
    spans.keep(long * 5, 0, 5 * len(long), WORTH_KEEPING)
    assert len(spans.known) > 1


def test_files_with_one_vocabulary_are_read_alike(tmp_path):
    """The second, also where it ends early, or says more of itself."""
    content = a_gguf({**LLAMA, "tokenizer.ggml.tokens": WORDS})
    path = tmp_path / "m.gguf"
    headers = []
    for _ in range(2):
        path.write_bytes(content)
        headers.append(read_header(path))
    assert headers[0] == headers[1]
    path.write_bytes(content[: content.index(b"word 500")])
    with pytest.raises(BadGguf) as caught:
        read_header(path)
    assert caught.value.problem.code == "gguf_truncated"


def test_strings_that_never_end_take_no_time(tmp_path):
    """As many as a header may have, all empty."""
    path = tmp_path / "m.gguf"
    head = a_gguf({"k": WORDS})
    count = MAX_STRINGS
    begin = head.index(text(WORDS[0]))
    path.write_bytes(head[: begin - 8] + count.to_bytes(8, "little"))
    with path.open("ab") as file:
        file.truncate(MAX_HEADER)
    began = time.process_time()
    with pytest.raises(BadGguf):
        read_header(path)
    assert time.process_time() - began < 5
