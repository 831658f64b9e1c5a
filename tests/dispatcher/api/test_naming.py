"""Names: safe on any system, each its own, and steady while a batch is worked on."""

import random
import re
import unicodedata

import pytest

from dispatcher.api.naming import made_names, safe_stem, sent_name, stem_key, stems_of

HOSTILE = [
    "../../etc/passwd", "C:\\x", "\\\\host\\share", "/abs", "a\0.png", "%2e%2e%2f", "x" * 4096,
    "\U0001f428.png", "\u202egnp.exe", "\ufffd\ufffd", "a\r\nb.jpg", "<img onerror=alert(1)>.png",
    "CON", "con.jpg", "Com1.tar.png", "lpt\u00b9.png", "nul .x.png", ".htaccess", "", ".", "..",
    "...", " ", "a ", "a.", "-rf.png", "a/b/", "\U00020000" * 300, "\u0301.png", '"quoted".png',
    "a;b.png", "a:b.png", "a*b?.png", "a|b.png", "~.png", "$HOME.png", "`id`.png", "CONIN$",
]  # fmt: skip
"""Row C43 and its like."""


def is_safe_anywhere(name: str) -> bool:
    """Whether Linux, macOS and Windows keep a file of this name, as one file of this name."""
    stem = unicodedata.normalize("NFKC", name).split(".")[0].rstrip().upper()
    return (
        bool(name)
        and len(name) <= 100
        and len(name.encode()) <= 255
        and name.isprintable()
        and not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
        and name[0] != "."
        and name[-1] not in " ."
        and not re.fullmatch(r"CON|PRN|AUX|NUL|(COM|LPT)[0-9]|CONIN\$|CONOUT\$", stem)
    )


def names_of_all(filenames: list[str], *, pieces: int) -> list[str]:
    """The names of all pictures made of these files, some of one piece and some of several."""
    names = []
    for number, stem in enumerate(stems_of(filenames)):
        count = pieces if number % 2 else 1
        names += made_names(stem, ["image/png"] * count, is_split=count > 1)
    return names


# Safe


@pytest.mark.parametrize("filename", HOSTILE, ids=lambda name: ascii(name[:20]))
def test_a_hostile_name_becomes_one_that_every_system_keeps(filename: str) -> None:
    (stem,) = stems_of([filename])
    assert is_safe_anywhere(sent_name(stem, filename=filename, media_type="image/tiff"))
    assert all(map(is_safe_anywhere, made_names(stem, ["image/jpeg"] * 1024, is_split=True)))


@pytest.mark.parametrize(
    ("filename", "stem"),
    [
        ("koala.jpg", "koala"),
        ("n01491361_tiger_shark.JPEG", "n01491361_tiger_shark"),
        ("my holiday (1).png", "my holiday _1_"),
        ("folder/koala.jpg", "koala"),
        ("C:\\photos\\koala.jpg", "koala"),
        ("archive.tar.png", "archive.tar"),
        ("koala.html", "koala.html"),
        ("größer.jpg", "größer"),
        ("gro\u0308ßer.jpg", "größer"),
        ("コアラ.webp", "コアラ"),
        ("हिन्दी.png", "हिन्दी"),
        ("٣.png", "٣"),
        ("🐨.png", "_"),
        (".htaccess", "htaccess"),
        ("CON.jpg", "_CON"),
        ("console.jpg", "console"),
        ("  two   spaces .gif", "two spaces"),
        ("", "image"),
        ("....", "image"),
        (".png", "image"),
    ],
)
def test_letters_and_digits_of_any_language_stay(filename: str, stem: str) -> None:
    assert safe_stem(filename) == stem


@pytest.mark.parametrize("seed", range(3))
def test_any_text_becomes_a_safe_name(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(500):
        filename = "".join(
            chr(
                dice.choice([dice.randrange(128), dice.randrange(0xD800), dice.randrange(0x10FFFF)])
            )
            for _ in range(dice.randrange(120))
        )
        assert is_safe_anywhere(f"{safe_stem(filename)}.jpg"), ascii(filename)


# Extensions


@pytest.mark.parametrize(
    ("filename", "media_type", "name"),
    [
        ("koala.jpg", "image/jpeg", "koala.jpg"),
        ("koala.JPEG", "image/jpeg", "koala.JPEG"),
        ("koala.tif", "image/tiff", "koala.tif"),
        ("koala.png", "image/jpeg", "koala.jpg"),
        ("koala.gif", "image/gif", "koala.gif"),
        ("koala", "image/webp", "koala.webp"),
        ("koala.html", "image/gif", "koala.html.gif"),
        ("koala.jpg.exe", "image/bmp", "koala.jpg.exe.bmp"),
        ("jpg", "image/jpeg", "jpg.jpg"),
    ],
)
def test_a_picture_sent_has_an_extension_of_its_real_format(
    filename: str, media_type: str, name: str
) -> None:
    assert sent_name(safe_stem(filename), filename=filename, media_type=media_type) == name


def test_a_picture_made_has_the_extension_of_its_format() -> None:
    assert made_names("koala", ["image/png"], is_split=False) == ["koala.png"]
    assert made_names("koala", ["image/jpeg"], is_split=False) == ["koala.jpg"]
    assert made_names("koala", [], is_split=False) == []


def test_pieces_are_numbered_so_that_they_sort_in_their_order() -> None:
    for count in (1, 2, 9, 10, 99, 100, 1024):
        names = made_names("koala", ["image/png"] * count, is_split=True)
        assert names == sorted(names)
        assert len(set(names)) == count
    assert made_names("koala", ["image/png"] * 2, is_split=True) == [
        "koala-piece-01.png",
        "koala-piece-02.png",
    ]


# Each its own


def test_files_of_the_same_name_are_numbered() -> None:
    assert stems_of(["koala.jpg"] * 3) == ["koala", "koala-2", "koala-3"]


def test_names_that_differ_in_case_or_format_only_are_the_same() -> None:
    filenames = ["koala.jpg", "Koala.JPG", "KOALA.png", "straße.png", "STRASSE.png"]
    assert stems_of(filenames) == ["koala", "Koala-2", "KOALA-3", "straße", "STRASSE-2"]
    composed, decomposed = "caf\u00e9.png", "cafe\u0301.png"
    assert len(set(stems_of([composed, decomposed]))) == 2


def test_a_number_that_is_taken_is_passed_over() -> None:
    filenames = ["koala-2.jpg", "koala.jpg", "koala.jpg", "koala-3.jpg"]
    assert stems_of(filenames) == ["koala-2", "koala", "koala-3", "koala-3-2"]


def test_a_file_named_like_a_piece_does_not_meet_the_piece() -> None:
    for filenames in (
        ["koala.jpg", "koala-piece-01.jpg"],
        ["koala-piece-01.jpg", "koala.jpg"],
        ["koala-piece-02-piece-01.jpg", "koala-piece-02.jpg", "koala.jpg"],
    ):
        assert len({stem_key(stem) for stem in stems_of(filenames)}) == len(filenames)
        for pieces in (2, 100):
            names = names_of_all(filenames, pieces=pieces)
            assert len({name.casefold() for name in names}) == len(names)


@pytest.mark.parametrize("seed", range(5))
def test_names_never_collide(seed: int) -> None:
    dice = random.Random(seed)
    parts = ["koala", "KOALA", "-2", "-piece-01", "-piece-1", "-PIECE-02", " ", ".", "é", "e\u0301"]
    filenames = [
        "".join(dice.choices(parts, k=dice.randint(1, 4))) + dice.choice([".jpg", ".png", ""])
        for _ in range(200)
    ] + ["y" * 90] * 20
    names = names_of_all(filenames, pieces=12)
    folded = {unicodedata.normalize("NFKC", name).casefold() for name in names}
    assert len(folded) == len(names)
    assert all(map(is_safe_anywhere, names))


def test_a_thousand_files_of_one_name_are_named_at_once() -> None:
    stems = stems_of(["x" * 300] * 1000)
    assert len({stem.casefold() for stem in stems}) == 1000
    assert max(map(len, stems)) <= 81


def test_names_depend_on_the_files_before_only() -> None:
    filenames = ["a.jpg", "A.png", "a-2.jpg", "b.jpg", "a.jpg"]
    for count in range(len(filenames)):
        assert stems_of(filenames[:count]) == stems_of(filenames)[:count]
