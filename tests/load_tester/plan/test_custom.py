from pathlib import Path

import pytest

from load_tester.errors import ScheduleError
from load_tester.plan.custom import draw_curve, find_curve
from load_tester.plan.sampling import SampledCurve


def draw(
    text: str,
    *,
    users: float = 10,
    duration_s: float | None = 4,
    spawn_rate: float | None = None,
) -> SampledCurve:
    return draw_curve(text, users=users, duration_s=duration_s, spawn_rate=spawn_rate)


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_curves.py"
    path.write_text(
        "import math\n"
        "def saw(t, users, duration):\n    return users * (t % 1)\n"
        "def whole(t, users, duration):\n    return math.floor(users)\n"
        "def none(t, users, duration):\n    return None\n"
        "def late(t, users, duration):\n    return 1 / (0 if t > 2 else 1)\n"
        "def narrow(t):\n    return t\n"
        "number = 5\n"
    )
    return path


def test_a_built_in_curve_lasts_a_minute_and_adds_two_users_a_second_unless_told() -> None:
    curve = draw("flat", duration_s=None)
    assert curve.duration_s == 60
    assert curve.users_at(3) == pytest.approx(6, abs=0.1)


def test_an_expression_is_as_steep_as_it_is_written() -> None:
    assert draw("=users").images_per_second() == (10, 10, 10, 10)


def test_a_spawn_rate_that_was_given_bounds_an_expression_too() -> None:
    assert draw("=users", spawn_rate=2).images_per_second() == (1, 3, 5, 7)


def test_a_function_of_ones_own_is_a_curve(own_file: Path) -> None:
    assert draw(f"{own_file}:saw").images_per_second() == (5, 5, 5, 5)
    assert draw(f"{own_file}:whole", users=2.5).images_per_second() == (2, 2, 2, 2)


def test_a_report_calls_a_function_by_its_file_and_name(own_file: Path) -> None:
    assert find_curve(f"{own_file}:saw").name == "my_curves.py:saw"


@pytest.mark.parametrize("name", ["=users", "saw"])
def test_a_custom_curve_needs_a_duration(name: str, own_file: Path) -> None:
    text = name if name.startswith("=") else f"{own_file}:{name}"
    with pytest.raises(ScheduleError, match="needs --duration"):
        draw(text, duration_s=None)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("none", "'none' gives no number at t = 0.005: None"),
        ("late", "'late' failed at t = 2.005: ZeroDivisionError: division by zero"),
        ("narrow", "'narrow' failed at t = 0.005: TypeError"),
        ("number", "no function 'number' in"),
        ("missing", "no function 'missing' in"),
    ],
)
def test_a_function_that_fails_is_refused_in_one_line(
    own_file: Path, function: str, message: str
) -> None:
    with pytest.raises(ScheduleError, match=message) as caught:
        draw(f"{own_file}:{function}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["def (", "raise RuntimeError('no')", "import nowhere"])
def test_a_file_that_cannot_be_loaded_is_refused_with_the_reason(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises(ScheduleError, match="cannot load the curve's file"):
        draw(f"{path}:curve")


@pytest.mark.parametrize(
    "text", ["wave", "", "Ramp", "nowhere.py:curve", "curve.txt:curve", "ramp:step"]
)
def test_an_unknown_curve_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match=r"no such curve|cannot load"):
        draw(text)
