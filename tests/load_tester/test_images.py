from pathlib import Path

import pytest

from load_tester.errors import ImagesError
from load_tester.images import (
    describe_pictures,
    find_images,
    list_names,
    load_uploads,
    pick_images,
    read_labels,
)


def test_images_are_found_in_every_folder_below_and_nothing_else_is(photos: Path) -> None:
    (photos / "labels.tsv").write_text("x")
    (photos / ".hidden.jpg").write_bytes(b"x")
    (photos / "deeper").mkdir()
    (photos / "deeper" / "bird.webp").write_bytes(b"x")
    names = [path.name for path in find_images(photos)]
    assert sorted(names) == ["bird.webp", "drum.jpg", "goldfinch.JPEG", "tank.png"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="no such folder"):
        find_images(tmp_path / "nowhere")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="no images found in"):
        find_images(tmp_path)


def test_the_same_seed_gives_the_same_order_and_another_seed_another() -> None:
    paths = [Path(f"{number}.jpg") for number in range(100)]
    assert pick_images(paths, count=10, seed=1) == pick_images(paths, count=10, seed=1)
    assert pick_images(paths, count=10, seed=1) != pick_images(paths, count=10, seed=2)
    assert sorted(pick_images(paths, count=500, seed=3)) == sorted(paths)


def test_a_raw_upload_is_the_file_itself_with_its_type_and_name(photos: Path) -> None:
    (upload,) = load_uploads([photos / "tank.png"], multipart=False)
    assert upload.body == (photos / "tank.png").read_bytes()
    assert upload.headers == {"Content-Type": "image/png", "X-Filename": "tank.png"}


def test_a_name_that_no_header_can_carry_is_percent_encoded(tmp_path: Path) -> None:
    path = tmp_path / "grün\n.jpg"
    path.write_bytes(b"x")
    (upload,) = load_uploads([path], multipart=False)
    assert upload.headers["X-Filename"] == "gr%C3%BCn%0A.jpg"


def test_a_multipart_upload_names_the_field_image(photos: Path) -> None:
    (upload,) = load_uploads([photos / "drum.jpg"], multipart=True)
    assert b'name="image"; filename="drum.jpg"' in upload.body
    assert (photos / "drum.jpg").read_bytes() in upload.body
    assert upload.headers["Content-Type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize("multipart", [False, True])
def test_files_of_one_name_in_two_folders_are_two_images(photos: Path, multipart: bool) -> None:
    for folder in ("a", "b"):
        (photos / folder).mkdir()
        (photos / folder / "drum.jpg").write_bytes(folder.encode())
    paths = find_images(photos)
    uploads = load_uploads(paths, multipart=multipart, folder=photos)
    names = ["a/drum.jpg", "b/drum.jpg", "drum.jpg", "goldfinch.JPEG", "tank.png"]
    assert [upload.file for upload in uploads] == list_names(photos) == names
    assert list(describe_pictures(paths, folder=photos)) == names
    assert [upload.name for upload in uploads[:3]] == ["drum.jpg"] * 3
    told = [upload.headers.get("X-Filename", "") + repr(upload.body) for upload in uploads]
    assert not any("a/drum" in text for text in told)
    (one,) = load_uploads(find_images(paths[0]), multipart=multipart, folder=paths[0])
    assert one.file == "drum.jpg"


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match=r"cannot read the image .*gone\.jpg"):
        load_uploads([tmp_path / "gone.jpg"], multipart=False)


def test_labels_are_read_by_file_name(photos: Path) -> None:
    table = "file\tclass_index\tlabel\ndrum.jpg\t541\tdrum\ntank.png\t847\ttank\n"
    (photos / "labels.tsv").write_text(table)
    assert read_labels(photos) == {"drum.jpg": "drum", "tank.png": "tank"}


def test_no_labels_are_no_error(photos: Path) -> None:
    assert read_labels(photos) == {}


@pytest.mark.parametrize("table", ["", "file,label\na,b\n", "file\tclass_index\tlabel\na\t1\n"])
def test_a_table_without_its_columns_is_refused(photos: Path, table: str) -> None:
    (photos / "labels.tsv").write_text(table)
    with pytest.raises(ImagesError, match="not a table with the columns file and label"):
        read_labels(photos)
