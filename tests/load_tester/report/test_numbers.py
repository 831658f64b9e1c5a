import pytest

from load_tester.report.numbers import Unit, write_number


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (None, Unit.MILLISECONDS, "n/a"),
        (0.0, Unit.MILLISECONDS, "0.00"),
        (0.001234, Unit.MILLISECONDS, "1.23"),
        (0.01234, Unit.MILLISECONDS, "12.3"),
        (2.0751, Unit.MILLISECONDS, "2,075"),
        (-0.0059, Unit.MILLISECONDS, "-5.90"),
        (1234.5, Unit.SECONDS, "1,234.50"),
        (39.302, Unit.RATE, "39.30"),
        (1.0184, Unit.RATIO, "1.018"),
        (4742, Unit.COUNT, "4,742"),
        (0.02013, Unit.SHARE, "2.01 %"),
        (512, Unit.BYTES, "512 B"),
        (20_000, Unit.BYTES, "19.5 KiB"),
        (3_000_000, Unit.BYTES, "2.9 MiB"),
        (94_371_840, Unit.MEBIBYTES, "90"),
        (1_352_000.4, Unit.PLAIN, "1,352,000"),
        (0.0141912, Unit.PLAIN, "0.01419"),
    ],
)
def test_a_number_is_written_for_its_readers(value: float | None, unit: Unit, told: str) -> None:
    assert write_number(value, unit) == told
