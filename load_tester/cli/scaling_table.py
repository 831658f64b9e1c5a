"""The figures of a thread-scaling run as text. Pure."""

from load_tester.cli.tables import align_table, tell_ms
from load_tester.figures.scaling import Scaling
from load_tester.report.printable import join_lines
from load_tester.report.scaling_plot import describe_laws


def render_scaling(scaling: Scaling, *, title: str) -> str:
    """Return the table, the fitted laws and the notes as text."""
    head = ("threads", "kernel ms", "min", "max", "step ms", "speed-up", "efficiency", "serial")
    rows = [
        (
            str(point.threads),
            tell_ms(point.kernel.median_s, digits=3),
            tell_ms(point.kernel.min_s, digits=3),
            tell_ms(point.kernel.max_s, digits=3),
            tell_ms(point.total.median_s, digits=3),
            f"{point.speed_up:.2f}",
            f"{point.efficiency:.0%}",
            "" if point.serial_fraction is None else f"{point.serial_fraction:.1%}",
        )
        for point in scaling.points
    ]
    laws = [f"  {line}" for line in describe_laws(scaling)]
    notes = [f"  Note: {note}" for note in scaling.notes]
    return join_lines(["", title, *align_table(head, rows), *laws, *notes])
