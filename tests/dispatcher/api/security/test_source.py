"""S14, S37: what the source must not contain, whoever writes it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[4]
SOURCES = sorted(
    path
    for room in ("dispatcher", "step_app", "load_tester")
    for path in (PROJECT / room).rglob("*.py")
)
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "jsonpickle", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "tempfile.mktemp"}


def name_of(node: ast.expr) -> str:
    """A dotted name as it is written; a question mark for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return "?"


def keyword_of(call: ast.Call, name: str) -> object:
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return keyword.value.value
    return None


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        yield node.module.partition(".")[0]


def faults_of(call: ast.Call) -> Iterator[str]:
    name = name_of(call.func)
    if name in FORBIDDEN_CALLS:
        yield f"{name} is called"
    if name.endswith("torch.load") and keyword_of(call, "weights_only") is not True:
        yield "torch.load without weights_only=True"
    if name == "yaml.load" and "Safe" not in ast.unparse(call):
        yield "yaml.load without a safe loader"
    if keyword_of(call, "shell") is True:
        yield "shell=True"
    if keyword_of(call, "verify") is False:
        yield "verify=False"


def faults_in(source: str) -> list[str]:
    faults = []
    for node in ast.walk(ast.parse(source)):
        faults += [f"{name} is imported" for name in imported(node) if name in FORBIDDEN_MODULES]
        if isinstance(node, ast.Call):
            faults += faults_of(node)
    return faults


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_s37_nothing_that_runs_what_it_reads(path: Path) -> None:
    assert faults_in(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(x)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "yaml.load(t)",
        "yaml.load(t, Loader=yaml.Loader)",
        "subprocess.run(c, shell=True)",
        "os.system(c)",
        "httpx.get(u, verify=False)",
    ],
)
def test_s37_each_of_these_would_be_found(source: str) -> None:
    assert len(faults_in(source)) == 1


def test_s37_what_is_safe_is_let_through() -> None:
    source = "yaml.load(t, Loader=SafeLoader)\nyaml.safe_load(t)\ntorch.load(p, weights_only=True)"
    assert faults_in(source) == []
