import pytest

from load_tester.report.printable import join_lines, make_printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ünïcödé 鳥 😀.jpg", "ünïcödé 鳥 😀.jpg"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("two\r\nlines\t", "two\\r\\nlines\\t"),
        ("half \ud800", "half \\ud800"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.jpg", "\\u202egpj.jpg"),
    ],
)
def test_what_drives_a_terminal_or_is_no_text_is_spelt_out(text: str, shown: str) -> None:
    assert make_printable(text) == shown


def test_what_may_stay_stays() -> None:
    assert make_printable("a\nb\r", keep="\n") == "a\nb\\r"


def test_a_line_is_one_line_whatever_it_holds() -> None:
    assert join_lines(["a\nb", "c"]) == "a\\nb\nc\n"
