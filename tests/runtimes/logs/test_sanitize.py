import time

import pytest

from runtimes.logs.sanitize import CUT, LONGEST_LINE, Cleaner, clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\tas it is\n", "plain\tas it is\n"),
        ("\x1b[31mred\x1b[0m and \x1b[1;38;5;4mblue\x1b[m\n", "red and blue\n"),
        ("\x1b]0;a title\x07named\n", "named\n"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\\n", "link\n"),
        ("\x1b]never ended\nnext\n", "\nnext\n"),
        ("\x1b[2J\x1b[H\x1b(Bgone\x1bc\n", "gone\n"),
        ("\x9b31mC1\x07\x08\x00\x7f\n", "31mC1\n"),
        ("gpj.\u202eexe\u2066!\u2029\n", "gpj.exe!\n"),
        ("line one\r\nline two\r\n", "line one\nline two\n"),
        ("0%\r 50%\r100%\r\n", "100%\n"),
        ("working\r       \r\n", "working\n"),
        ("no end", "no end"),
        ("", ""),
        ("\n", "\n"),
        ("<script>alert(1)</script>\n", "<script>alert(1)</script>\n"),
        ("模型 加载\n", "模型 加载\n"),
        ("key sesame-1 and sesame-1\n", "key *** and ***\n"),
    ],
)
def test_text_is_cleaned(text, shown):
    assert clean(text, ["sesame-1", ""]) == shown


SAID = "启动\x1b[31m模型\x1b[0m\nkey sesame-1\r\n\nlast".encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_pieces_do_not_matter(size):
    cleaner = Cleaner(["sesame-1"])
    pieces = [SAID[at : at + size] for at in range(0, len(SAID), size)]
    lines = [line for piece in pieces for line in cleaner.feed(piece)]
    assert lines == ["启动模型", "key ***", ""]
    assert cleaner.partial == "last"
    assert cleaner.end() == ["last"]
    assert cleaner.end() == []


def test_bytes_that_are_no_text_are_replaced():
    assert Cleaner().feed(b"\xff\xfe ok \xe6\xa8\n") == ["\ufffd\ufffd ok \ufffd"]


def test_long_line_is_cut():
    cleaner = Cleaner()
    for _ in range(1000):
        assert cleaner.feed(b"x" * 1000) == []
    assert cleaner.partial == "x" * LONGEST_LINE + CUT
    lines = cleaner.feed(b"end\nnext\n")
    assert lines == ["x" * LONGEST_LINE + CUT, "next"]


def test_long_line_is_whole_where_requested():
    cleaner = Cleaner(longest=None)
    cleaner.feed(b"x" * 1_000_000)
    assert cleaner.feed(b"\n") == ["x" * 1_000_000]


@pytest.mark.parametrize("at", range(0, 12, 3))
def test_secret_is_not_shown_in_halves_of_a_cut(at):
    secret = "abcdefghijkl"
    cleaner = Cleaner([secret])
    long = "x" * (LONGEST_LINE - at) + secret + "y" * 100_000
    [line] = cleaner.feed(long.encode() + b"\n")
    assert "abc" not in line.replace("***", "")


def test_hostile_bytes_cost_no_time():
    began = time.process_time()
    for evil in (b"\x1b[" * 500_000, b"\x1b]" * 500_000, b"\r" * 1_000_000):
        Cleaner().feed(evil + b"\n")
    assert time.process_time() - began < 15
