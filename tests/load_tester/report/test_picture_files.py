import json
from pathlib import Path

import pytest

from load_tester.errors import OutputError
from load_tester.report.picture_files import (
    check_picture_path,
    write_figures,
    write_picture,
)

SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "data": {"values": [{"a": 1}]},
    "mark": "point",
    "encoding": {"x": {"field": "a", "type": "quantitative"}},
}


def test_the_figures_lie_beside_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.png"
    assert write_figures(path, {"a": 1.5}) == tmp_path / "benchmark.json"
    write_picture(path, SPEC)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "benchmark.json").read_text()) == {"version": 1, "a": 1.5}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["benchmark.json", "benchmark.png"]


def test_a_place_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write to the folder"):
        check_picture_path(tmp_path / "file" / "benchmark.png")
    with pytest.raises(OutputError, match="is a folder"):
        check_picture_path(tmp_path)
    with pytest.raises(OutputError, match="the name of the figures"):
        check_picture_path(tmp_path / "benchmark.json")


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    check_picture_path(tmp_path / "new" / "benchmark.png")
    assert list((tmp_path / "new").iterdir()) == []
