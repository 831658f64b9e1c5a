from pathlib import Path

import pytest

from load_tester.arguments import read_arguments
from load_tester.errors import UsageError
from load_tester.settings import LoadSettings


def test_no_arguments_give_the_defaults() -> None:
    assert read_arguments([]) == LoadSettings()


def test_every_flag_reaches_the_settings(tmp_path: Path) -> None:
    given = "--url http://h:1/ --images a --schedule 4,8 --max-workers 7 --timeout 1.5"
    more = f"--pipeline p --no-cache --multipart --seed 3 --out {tmp_path}"
    assert read_arguments(f"{given} {more}".split()) == LoadSettings(
        url="http://h:1",
        images=Path("a"),
        schedule=(4, 8),
        max_workers=7,
        timeout_s=1.5,
        pipeline="p",
        use_cache=False,
        multipart=True,
        seed=3,
        out=tmp_path,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--max-workers 0", "--max-workers must be greater than 0"),
        ("--max-workers many", "invalid int value"),
        ("--timeout nan", "--timeout must be greater than 0"),
        ("--timeout -1", "--timeout must be greater than 0"),
        ("--schedule -1,4", "expected one argument"),
        ("--schedule=-1,4", "entry 1 is not a whole number"),
        ("--faster", "unrecognized arguments"),
        ("--url ftp://h", "not an http"),
    ],
)
def test_a_bad_argument_is_refused_with_the_reason(arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_arguments(arguments.split())
