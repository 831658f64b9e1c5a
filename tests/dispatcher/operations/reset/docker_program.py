"""Stands in for docker: writes down what it is asked, and knows no service that no file names.

Beside it lie ``docker.asked``, ``docker.containers`` (what ``ps`` says), ``docker.labels`` (by the
id of a container) and ``docker.refused`` (the services that cannot be ended). A compose file has
the names of its services, a line each.
"""

import json
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Carry out one command; return the exit status."""
    own = Path(sys.argv[0])
    with own.with_name("docker.asked").open("a") as asked:
        asked.write(" ".join(arguments) + "\n")
    if arguments[0] == "inspect":
        labels = json.loads(own.with_name("docker.labels").read_text())
        sys.stdout.writelines(f"{json.dumps(labels[name])}\n" for name in arguments[3:])
        return 0
    files, (verb, *rest) = _split(arguments[1:])
    known = [name for file in files for name in Path(file).read_text().split()]
    if verb == "ps":
        sys.stdout.write(own.with_name("docker.containers").read_text())
    if verb == "config":
        sys.stdout.write("\n".join(known))
    if verb in ("stop", "up"):
        return _check([name for name in rest if not name.startswith("-")], known, own, verb)
    return 0


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    files = []
    while arguments[0] == "--file":
        files.append(arguments[1])
        arguments = arguments[2:]
    return files or ["docker-compose.yml"], arguments


def _check(names: list[str], known: list[str], own: Path, verb: str) -> int:
    for name in names:
        if name not in known:
            sys.stderr.write(f"no such service: {name}\n")
            return 1
    refused = own.with_name("docker.refused").read_text().split()
    return int(verb == "stop" and bool({*names} & {*refused}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
