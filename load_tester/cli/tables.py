"""Tables as plain text. Pure."""

from collections.abc import Sequence


def align_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose cells are aligned to the right, two blanks apart."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]


def tell_ms(seconds: float | None, *, digits: int = 1) -> str:
    """Return a duration in milliseconds, `n/a` where it is not known."""
    return "n/a" if seconds is None else f"{1e3 * seconds:.{digits}f}"
