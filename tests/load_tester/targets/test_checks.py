import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from load_tester.errors import OutputError, UsageError, WrongError
from load_tester.images import Upload
from load_tester.settings import TargetSettings
from load_tester.targets.base import Answer
from load_tester.targets.checks import Checks
from load_tester.targets.expectations import create_checks

SHA_OF_PNG = hashlib.sha256(b"png").hexdigest()


def upload(file: str = "drum.jpg") -> Upload:
    return Upload(file=file, body=b"", headers={})


def labelled(label: str | None) -> Answer:
    return Answer(seen_s=0.0, polls=1, top_label=label, document={"label": label, "request": {}})


def judged(checks: Checks, answer: Answer, file: str = "drum.jpg", **extra: Any) -> str | None:
    """Return what the checks find, None when they find nothing."""
    try:
        checks.judge(answer, upload(file), picture=extra.get("picture"))
    except WrongError as exc:
        return exc.reason
    return None


def checks_for(photos: Path, *texts: str, write_golden: Path | None = None) -> Checks:
    return create_checks(TargetSettings(checks=texts, write_golden=write_golden), photos)


@pytest.fixture
def labels(photos: Path) -> Path:
    table = "file\tlabel\ndrum.jpg\tsteel_drum\n"
    (photos / "labels.tsv").write_text(table)
    return photos


def test_without_checks_any_answer_is_right(photos: Path) -> None:
    checks = checks_for(photos)
    assert judged(checks, labelled("tank")) is None
    assert not checks.want_picture(labelled(None), upload())
    checks.finish()


@pytest.mark.parametrize(
    ("label", "file", "fault"),
    [
        ("steel drum", "drum.jpg", None),
        ("Steel_Drum", "drum.jpg", None),
        ("tank", "drum.jpg", "wrong_label"),
        (None, "drum.jpg", "no_label"),
        ("tank", "tank.png", None),
    ],
)
def test_the_best_label_must_be_that_of_the_table(
    labels: Path, label: str | None, file: str, fault: str | None
) -> None:
    assert judged(checks_for(labels, "labels"), labelled(label), file) == fault


def test_an_answer_must_be_the_golden_one(photos: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden.json"
    golden.write_text(
        json.dumps({"drum.jpg": {"label": "drum"}, "tank.png": {"sha256": SHA_OF_PNG}})
    )
    checks = checks_for(photos, f"golden:{golden}")
    assert judged(checks, labelled("drum")) is None
    assert judged(checks, labelled("tank")) == "not_golden"
    assert judged(checks, labelled(None)) == "no_label"
    assert judged(checks, labelled(None), "tank.png", picture=b"png") is None
    assert judged(checks, labelled(None), "tank.png", picture=b"gif") == "not_golden"
    assert judged(checks, labelled("tank"), "tank.png") == "no_picture"
    assert judged(checks, labelled(None), "goldfinch.JPEG") is None
    assert checks.want_picture(labelled("tank"), upload("tank.png"))
    assert not checks.want_picture(labelled("drum"), upload("drum.jpg"))


def test_a_folder_of_golden_pictures_is_compared_by_name(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    folder.mkdir()
    (folder / "drum.png").write_bytes(b"png")
    (folder / "tank.png").write_bytes(b"gif")
    (folder / "tank.jpg").write_bytes(b"other")
    checks = checks_for(photos, f"golden:{folder}")
    assert judged(checks, labelled(None), "drum.jpg", picture=b"png") is None
    assert judged(checks, labelled(None), "tank.png", picture=b"gif") is None
    assert judged(checks, labelled(None), "tank.png", picture=b"other") == "not_golden"


def test_golden_answers_that_were_kept_are_those_of_the_next_run(
    photos: Path, tmp_path: Path
) -> None:
    golden = tmp_path / "golden.json"
    keeping = checks_for(photos, write_golden=golden)
    assert judged(keeping, labelled("drum")) is None
    assert judged(keeping, labelled("drum")) is None
    assert judged(keeping, labelled("tank")) == "answers_differ"
    assert keeping.want_picture(labelled(None), upload())
    assert judged(keeping, labelled(None), "tank.png", picture=b"png") is None
    assert judged(keeping, labelled(None), "tank.png") == "no_picture"
    keeping.finish()
    assert json.loads(golden.read_text()) == {
        "drum.jpg": {"label": "drum"},
        "tank.png": {"sha256": SHA_OF_PNG},
    }
    comparing = checks_for(photos, f"golden:{golden}")
    assert judged(comparing, labelled("drum")) is None
    assert judged(comparing, labelled("tank")) == "not_golden"


def test_golden_answers_that_could_not_be_kept_are_refused_before_the_run(
    photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="cannot write to the folder"):
        checks_for(photos, write_golden=tmp_path / "nowhere" / "golden.json")
    with pytest.raises(OutputError, match="cannot write to the folder"):
        checks_for(photos, write_golden=photos / "drum.jpg" / "golden.json")
    with pytest.raises(OutputError, match="is a folder"):
        checks_for(photos, write_golden=tmp_path)


@pytest.fixture
def twins(photos: Path) -> Path:
    """Two images of one name in two folders, beside the others."""
    for folder in ("a", "b"):
        (photos / folder).mkdir()
        (photos / folder / "twin.jpg").write_bytes(folder.encode())
    return photos


def test_labels_of_images_with_one_name_are_told_apart_by_their_folders(twins: Path) -> None:
    table = "file\tlabel\na/twin.jpg\tcat\ntwin.jpg\tdog\ndrum.jpg\tdrum\n"
    (twins / "labels.tsv").write_text(table)
    checks = checks_for(twins, "labels")
    assert judged(checks, labelled("dog"), "a/twin.jpg") == "wrong_label"
    assert judged(checks, labelled("cat"), "a/twin.jpg") is None
    # Which of the two the bare name means is not known.
    assert judged(checks, labelled("cow"), "b/twin.jpg") is None
    assert judged(checks, labelled("cow"), "drum.jpg") == "wrong_label"


def test_golden_answers_of_images_with_one_name_are_told_apart(twins: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden.json"
    keeping = checks_for(twins, write_golden=golden)
    assert judged(keeping, labelled("cat"), "a/twin.jpg") is None
    assert judged(keeping, labelled("dog"), "b/twin.jpg") is None
    keeping.finish()
    comparing = checks_for(twins, f"golden:{golden}")
    assert judged(comparing, labelled("dog"), "a/twin.jpg") == "not_golden"
    assert judged(comparing, labelled("dog"), "b/twin.jpg") is None
    pictures = tmp_path / "pictures"
    (pictures / "b").mkdir(parents=True)
    (pictures / "b" / "twin.png").write_bytes(b"png")
    checks = checks_for(twins, f"golden:{pictures}")
    assert judged(checks, labelled(None), "b/twin.jpg", picture=b"gif") == "not_golden"
    assert judged(checks, labelled(None), "a/twin.jpg", picture=b"gif") is None


def test_an_answer_must_follow_the_schema(photos: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"properties": {"label": {"const": "drum"}}}))
    checks = checks_for(photos, f"schema:{schema}")
    assert judged(checks, labelled("drum")) is None
    assert judged(checks, labelled("tank")) == "schema_broken:label"
    assert judged(checks, Answer(seen_s=0, polls=0, picture=b"x")) == "schema_needs_json"
    hostile: dict[str, Any] = {"\x1b[31m": {"b\n": 1}}
    schema.write_text(json.dumps({"additionalProperties": {"additionalProperties": False}}))
    answer = Answer(seen_s=0, polls=0, document={"ok": {}, **hostile})
    assert judged(checks_for(photos, f"schema:{schema}"), answer) == "schema_broken:?"
    schema.write_text(json.dumps({"properties": {"n": {"multipleOf": 0.5}}}))
    answer = Answer(seen_s=0, polls=0, document={"n": 10**400})
    assert judged(checks_for(photos, f"schema:{schema}"), answer) == "schema_number_too_long"
    # Nothing is ever fetched for it.
    schema.write_text(json.dumps({"$ref": "http://127.0.0.1:1/other.json"}))
    assert judged(checks_for(photos, f"schema:{schema}"), labelled("a")) == "schema_without_end"


def test_several_checks_are_all_made(labels: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"required": ["more"]}')
    checks = checks_for(labels, "labels", f"schema:{schema}")
    assert judged(checks, labelled("tank")) == "wrong_label"
    assert judged(checks, labelled("steel drum")) == "schema_broken:."


@pytest.mark.parametrize(
    ("text", "content", "complaint"),
    [
        ("labels", None, "needs a table labels.tsv"),
        ("label", None, "not a check: 'label'"),
        ("golden:", None, "not a check"),
        ("golden:{file}", None, "No such file"),
        ("golden:{file}", "{", "cannot read the golden answers"),
        ("golden:{file}", "[]", "does not hold a label or sha256"),
        ("golden:{file}", '{"a": {"b": "c"}}', "does not hold a label or sha256"),
        ("golden:{file}", '{"a": {"label": 5}}', "does not hold a label or sha256"),
        ("golden:{folder}", None, "has the name of an image"),
        ("schema:{file}", None, "No such file"),
        ("schema:{file}", "nonsense", "cannot read the JSON schema"),
        ("schema:{file}", '{"type": 5}', "is not a JSON schema"),
    ],
)
def test_a_check_that_cannot_be_made_is_one_clear_line(
    photos: Path, tmp_path: Path, text: str, content: str | None, complaint: str
) -> None:
    file, folder = tmp_path / "file.json", tmp_path / "empty"
    folder.mkdir()
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=complaint) as caught:
        checks_for(photos, text.format(file=file, folder=folder))
    assert "\n" not in str(caught.value)
