"""What is said about the architecture is so: the ladder, the dependencies, no import circles."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted((ROOT / "src" / "earmark").rglob("*.py"))

# A package to the names it is imported by, where these differ.
IMPORTED_AS = {
    "huggingface-hub": {"huggingface_hub"},
    "onnx-ir": {"onnx_ir"},
    "pillow": {"PIL"},
    "prometheus-client": {"prometheus_client"},
    "pydantic": {"pydantic", "pydantic_core"},  # one cannot be installed without the other
    "python-multipart": {"python_multipart"},
    "scikit-learn": {"sklearn"},
}

# Never imported here, but needed by another package for this, which is in the sources.
USED_THROUGH = {
    "httptools": "uvicorn.protocols.http.httptools_impl",
    "onnxscript": "torch.onnx.export",
    "tensorboard": "torch.utils.tensorboard",
    "uvloop": "uvicorn.Server",
    "websockets": "websockets-sansio",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield all that a file imports, also within functions, but not what only type checkers read."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


IMPORTS = {module_of(path): set(imports(path)) for path in SOURCES}


def test_dependencies_are_those_that_are_imported():
    project = PYPROJECT["project"]
    required = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in required}
    everything = {name for found in IMPORTS.values() for name in found}
    text = "".join(path.read_text() for path in SOURCES)
    for name, use in USED_THROUGH.items():
        assert name in names
        assert use in text, f"{name} is declared for {use}, which is not used any more"
    declared = {module for name in names - set(USED_THROUGH) for module in IMPORTED_AS.get(name, {name})}
    imported = {name.partition(".")[0] for name in everything} - sys.stdlib_module_names - {"earmark"}
    assert imported == declared


def test_there_is_no_import_circle():
    modules = set(IMPORTS)
    graph = {
        # A name taken from a package is the module of that name, or else comes from the package itself.
        module: {name for name in found if name in modules} - {module}
        for module, found in IMPORTS.items()
    }
    graph = {
        module: {name for name in found if not any(other.startswith(f"{name}.") for other in found & modules)}
        for module, found in graph.items()
    }
    # Drop what imports nothing and what nothing imports until only circles, and ways between them, are left.
    while True:
        imported = set().union(*graph.values())
        kept = {
            module: found & set(graph) for module, found in graph.items() if found & set(graph) and module in imported
        }
        if len(kept) == len(graph):
            break
        graph = kept
    assert not graph, f"these import each other: {', '.join(graph)}"


def test_the_ladder_in_contributing_is_the_contract():
    (contract,) = (each for each in PYPROJECT["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    floors = [{name.removeprefix("earmark.") for name in layer.split(" | ")} for layer in contract["layers"]]
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## The ladder")[1].split("\n## ")[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| `")]
    assert [set(row) for row in rows] == floors
    packages = {path.name for path in (ROOT / "src" / "earmark").iterdir() if (path / "__init__.py").is_file()}
    modules = {path.stem for path in (ROOT / "src" / "earmark").glob("*.py")} - {"__init__", "__main__"}
    assert set().union(*floors) == packages | modules
