"""The files that a run leaves behind, each written whole or not at all."""

from pathlib import Path
from typing import Final

import msgspec

from load_tester.errors import OutputError
from load_tester.report.charts import list_charts
from load_tester.report.csv_tables import write_images, write_seconds
from load_tester.report.document import NO_EXTRAS, Extras, build_report
from load_tester.report.html import render_page
from load_tester.report.pictures import render_png
from load_tester.report.raw import RAW_FILE, read_raw, write_raw
from load_tester.report.specs import Chart, with_data
from load_tester.report.theme import JsonObject
from load_tester.report.whole import prepare_folder, write_whole
from load_tester.run import Run

REPORT_FILE: Final = "report.json"
PAGE_FILE: Final = "report.html"
SECONDS_FILE: Final = "seconds.csv"
IMAGES_FILE: Final = "images.csv"
CHARTS_FOLDER: Final = "charts"


def write_reports(run: Run, folder: Path, *, extras: Extras = NO_EXTRAS) -> None:
    """Write the raw file and everything that is made from it.

    The rest is made from the raw file as it lies on the disk, so that it can be made again, byte
    for byte. Raises OutputError when the disk says no.
    """
    prepare_folder(folder)
    raw = folder / RAW_FILE
    write_raw(run, raw)
    write_derived(read_raw(raw), folder, extras=extras)


def write_derived(run: Run, folder: Path, *, extras: Extras = NO_EXTRAS) -> None:
    """Write everything but the raw file: JSON, CSV, the page and the pictures.

    The same run and extras give the same bytes. Raises OutputError when the disk says no.
    """
    prepare_folder(folder)
    report = build_report(run, extras)
    charts = list_charts(report, extras.scaling)
    try:
        # The figures first: should the rest not fit on the disk, they are there.
        write_whole(folder / REPORT_FILE, [msgspec.json.format(msgspec.json.encode(report)), b"\n"])
        write_whole(folder / SECONDS_FILE, write_seconds(run))
        write_whole(folder / IMAGES_FILE, write_images(run))
        write_whole(folder / PAGE_FILE, [render_page(report, charts).encode()])
        _write_pictures(charts, report, folder / CHARTS_FOLDER)
    except OSError as exc:
        raise OutputError(f"cannot write the report to {folder}: {exc.strerror}") from exc


def _write_pictures(charts: list[Chart], report: JsonObject, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for chart in charts:
        if not chart.is_small:
            write_whole(folder / f"{chart.name}.png", [render_png(with_data(chart.spec, report))])
