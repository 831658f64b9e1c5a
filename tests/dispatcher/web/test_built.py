"""What is shipped was made of the sources that are shipped: ``./setup.sh page`` was not forgotten.

``SHA256SUMS`` is what ``sha256sum`` writes of every source and of every file that was made of them.
"""

import hashlib
import json
import re
from pathlib import Path

from dispatcher.web import page

WEB = Path(page.__file__).parent
SUMS = page.BUILT / "SHA256SUMS"


def listed() -> dict[str, str]:
    """Return the digests that the build wrote down, by path."""
    lines = (line.split(maxsplit=1) for line in SUMS.read_text().splitlines())
    return {path: digest for digest, path in lines}


def digests_of(folder: Path) -> dict[str, str]:
    """Return the digests of the files of a folder that are built in, by path."""
    files = (path.relative_to(WEB) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix(): hashlib.sha256((WEB / path).read_bytes()).hexdigest()
        for path in files
        if path.parts[1] not in ("node_modules", "tests", SUMS.name)
    }


def test_the_built_page_belongs_to_its_sources() -> None:
    built = {path: digest for path, digest in listed().items() if path.startswith("source/")}
    assert built == digests_of(WEB / "source"), (
        "run ./setup.sh page and commit dispatcher/web/built"
    )


def test_nobody_has_changed_the_built_page_by_hand() -> None:
    built = {path: digest for path, digest in listed().items() if path.startswith("built/")}
    assert built == digests_of(page.BUILT)


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    lock = json.loads((WEB / "source" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name


def test_direct_packages_are_named_with_their_exact_version() -> None:
    package = json.loads((WEB / "source" / "package.json").read_text())
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name


def test_the_styles_fetch_nothing_from_elsewhere() -> None:
    for path in page.BUILT.glob("*.css"):
        assert not re.findall(r"url\(|@import", path.read_text()), path.name


def test_no_source_is_longer_than_people_like_to_read() -> None:
    for path in (WEB / "source" / "src").rglob("*"):
        if path.suffix in (".ts", ".tsx", ".css"):
            assert len(path.read_text().splitlines()) <= 350, path.name
