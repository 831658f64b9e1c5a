"""Two runs side by side as text. Pure."""

from load_tester.cli.tables import align_table
from load_tester.figures.comparison import Comparison, Finding, Kind, Row
from load_tester.report.printable import join_lines

_SENTENCES = {
    Finding.BETTER: "The second run is faster, or better in another way, and worse in none.",
    Finding.WORSE: "The second run is slower, or worse in another way, and better in none.",
    Finding.NO_DIFFERENCE: "No difference shown: chance alone explains all that differs.",
    Finding.MIXED: "The second run is better in some figures and worse in others.",
    Finding.TOO_FEW: "There are too few images to compare anything.",
}


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as text: a warning a line, the table, what it comes to."""
    head = ("", "first", "second", "change", "interval", "the second is")
    rows = [
        (row.name, _tell(row, row.first), _tell(row, row.second), *_tell_change(row), row.word)
        for row in comparison.rows
    ]
    lines = [
        "",
        f"Comparison of {comparison.first_images} and {comparison.second_images} images",
        *(f"  Warning: {sentence}" for sentence in comparison.warnings),
        *align_table(head, rows),
        f"  All intervals hold at once with a confidence of {comparison.confidence:.1%}.",
        f"  {_SENTENCES[comparison.finding]}",
    ]
    return join_lines(lines)


def _tell(row: Row, value: float | None) -> str:
    if value is None:
        return "n/a"
    if row.kind is Kind.LATENCY:
        return f"{1000 * value:.2f} ms"
    return f"{100 * value:.2f} %" if row.kind is Kind.ERRORS else f"{value:.2f}/s"


def _tell_change(row: Row) -> tuple[str, str]:
    if row.change is None or row.low is None or row.high is None:
        return "n/a", "n/a"
    if row.kind is Kind.ERRORS:
        change, low, high = (100 * value for value in (row.change, row.low, row.high))
        return f"{change:+.2f} points", f"{low:+.2f} to {high:+.2f}"
    change, low, high = (100 * (value - 1) for value in (row.change, row.low, row.high))
    return f"{change:+.1f} %", f"{low:+.1f} to {high:+.1f}"
