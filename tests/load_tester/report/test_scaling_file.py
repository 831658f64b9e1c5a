import json
from pathlib import Path

import pytest

from load_tester.errors import RawFileError
from load_tester.figures.scaling import Conversion, measure_scaling
from load_tester.report.scaling_file import read_scaling


def write(path: Path, **changes: object) -> Path:
    known = {
        "kind": "thread scaling",
        "asked": {"server_cores": 4},
        "conversions": [
            {"threads": threads, "kernel_s": 1 / threads, "total_s": 2 / threads}
            for threads in (1, 2, 4)
        ],
    }
    path.write_text(json.dumps(known | changes))
    return path


def test_the_scaling_is_computed_again_from_the_conversions(tmp_path: Path) -> None:
    conversions = [Conversion(threads=n, kernel_s=1 / n, total_s=2 / n) for n in (1, 2, 4)]
    assert read_scaling(write(tmp_path / "s.json")) == measure_scaling(conversions, cores=4)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "benchmark"}, "tells of 'benchmark', not of thread scaling"),
        ({"conversions": []}, "no conversion with one thread"),
        ({"conversions": "many"}, "is not the JSON of a thread-scaling run"),
        ({"asked": None}, "is not the JSON of a thread-scaling run"),
    ],
)
def test_anything_else_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(RawFileError, match=complaint):
        read_scaling(write(tmp_path / "s.json", **changes))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RawFileError, match="No such file"):
        read_scaling(tmp_path / "s.json")
