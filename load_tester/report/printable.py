"""A stranger's text as it can be shown: names of files and answers may hold anything. Pure."""

from collections.abc import Iterable


def make_printable(text: str, *, keep: str = "") -> str:
    """Return the text with every character spelt out that is not printable, such as `\\x1b`.

    Those are control characters, line ends, marks that change the direction of writing, and half
    characters, which no file can hold; the characters of `keep` stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else ascii(char)[1:-1] for char in text
    )


def join_lines(lines: Iterable[str]) -> str:
    """Return the lines as one text, with a line end after each and nowhere else."""
    return "".join(f"{make_printable(line)}\n" for line in lines)
