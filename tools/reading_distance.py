"""Reading distance: how much code someone reads to follow a prediction, a training, an evaluation or a new kind.

    python tools/reading_distance.py [SRC]

SRC is the folder that holds the package, ``src`` by default; that of another checkout is compared in the same way.

A journey is a command that really runs, on a few synthesised sounds. Every function of the package that is called,
once all modules are imported, is on its way: counted are the files and the code lines of these functions. "Add a kind"
is what one reads to add a feature kind: the simplest one, and what it imports from `features`. Code lines are lines
without blanks, comments and docstrings. Worker processes are not followed. An import circle counts imports inside
functions too, but not those for type checkers.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

CORE = ("sound", "ink", "features", "data", "recognizer")
LEARNING = ("models", "evaluation", "training")
SMALLEST_KIND = "features/linear.py"
RATE_HZ = 22_050
_IN_FUNCTION = 0x1  # CO_OPTIMIZED: set for functions, not for modules and classes
_LAYOUT = {tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(path: Path) -> set[int]:
    """Return the numbers of the lines that hold code."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def imports(path: Path) -> Iterator[str]:
    """Yield what a file imports, also inside functions, but not for type checkers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(package: Path) -> dict[Path, set[Path]]:
    """Return for every file the files that it imports names from."""

    def home(name: str) -> Path | None:
        if name.partition(".")[0] != package.name:
            return None
        place = package.parent.joinpath(*name.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
        return home(name.rpartition(".")[0])

    files = sorted(package.rglob("*.py"))
    return {file: {found for name in imports(file) if (found := home(name)) is not None} - {file} for file in files}


def circles(graph: dict[Path, set[Path]]) -> list[set[Path]]:
    """Return the sets of files that import each other, by way of others or not."""
    reach = {file: set(found) for file, found in graph.items()}
    for middle in graph:  # Warshall's transitive closure
        for file in graph:
            if middle in reach[file]:
                reach[file] = reach[file] | reach[middle]
    found = {frozenset(other for other in graph if other in reach[file] and file in reach[other]) for file in graph}
    return [set(circle) for circle in found if circle]


def add_a_kind(package: Path, graph: dict[Path, set[Path]]) -> dict[str, int]:
    """Return the files and code lines that one reads to add a feature kind."""
    folder = package / "features"
    way, new = {folder / "__init__.py"}, {package / SMALLEST_KIND}
    while new:
        way |= new
        new = {found for file in new for found in graph[file] if folder in found.parents} - way
    return {"files": len(way), "lines": sum(len(code_lines(file)) for file in way)}


def trace(package: Path, arguments: list[str]) -> dict[str, int]:
    """Run a command of this package; return the files and code lines of its functions that were called."""
    sys.path.insert(0, str(package.parent))
    for module in pkgutil.walk_packages([str(package)], f"{package.name}.", onerror=lambda _: None):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    root, called = str(package) + os.sep, {}

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & _IN_FUNCTION and code.co_filename.startswith(root):
            called[code] = None

    main = importlib.import_module(f"{package.name}.cli").main
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        main(arguments)
    except SystemExit as stop:
        if stop.code:
            raise
    finally:
        sys.setprofile(None)
    lines: dict[str, set[int]] = {}
    for code in called:
        ends = [line for _, _, line in code.co_lines() if line is not None]
        lines.setdefault(code.co_filename, set()).update(range(code.co_firstlineno, max(ends) + 1))
    n_lines = sum(len(code_lines(Path(file)) & found) for file, found in lines.items())
    return {"files": len(lines), "lines": n_lines}


def write_sounds(folder: Path) -> None:
    """Write a folder of two labels, and a song beside it."""
    import numpy as np
    import soundfile

    times_s = np.arange(RATE_HZ) / RATE_HZ
    for label, hz in (("low", 220.0), ("high", 880.0)):
        (folder / "sounds" / label).mkdir(parents=True)
        for number in range(8):
            tone = 0.3 * np.sin(2 * np.pi * (hz + 5 * number) * times_s)
            soundfile.write(folder / "sounds" / label / f"{label}-{number}.wav", tone, RATE_HZ)
    soundfile.write(folder / "song.mp3", np.tile(0.3 * np.sin(2 * np.pi * 440 * times_s), 5), RATE_HZ)


def journeys(package: Path) -> dict[str, dict[str, int]]:
    """Return what each command passes through."""
    results = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_sounds(folder)
        sounds, run = str(folder / "sounds"), str(folder / "run")
        calls = {
            "predict song.mp3": ["predict", "notes", str(folder / "song.mp3")],
            "train sound": ["train", "sound", "--data", sounds, "-o", run, "--set", "training.epochs=1"],
            "evaluate": ["evaluate", run, "--data", sounds, "--split", "test"],
        }
        environment = {**os.environ, "EARMARK_CACHE": str(folder / "cache"), "PYTHONPATH": str(package.parent)}
        for name, arguments in calls.items():
            command = [sys.executable, __file__, "--trace", str(package), *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name}: {done.stderr.strip()[-2000:]}")
            results[name] = json.loads(done.stdout.splitlines()[-1])
    return results


def sizes(package: Path) -> Counter[str]:
    """Return code lines by package; single modules of the top level together are ``base``."""
    result: Counter[str] = Counter()
    for file in package.rglob("*.py"):
        parts = file.relative_to(package).parts
        result[parts[0] if len(parts) > 1 else "base"] += len(code_lines(file))
    return result


def main(source: Path) -> None:
    """Print the figures of one source tree."""
    package = (source / "earmark").resolve()
    graph, by_package = import_graph(package), sizes(package)
    for name, figures in {**journeys(package), "add a kind": add_a_kind(package, graph)}.items():
        print(f"{name:<18} {figures['files']:>4} files {figures['lines']:>6,} code lines")
    n_lines = sum(by_package.values())
    for name, parts in (("core", CORE), ("learning", LEARNING)):
        print(f"{name:<18} {sum(by_package[part] for part in parts):>17,} code lines ({', '.join(parts)})")
    for name, lines in sorted(by_package.items()):
        if name not in {*CORE, *LEARNING}:
            print(f"{name:<18} {lines:>17,} code lines")
    ((largest, lines),) = by_package.most_common(1)
    print(f"{'all':<18} {n_lines:>17,} code lines; the largest package, {largest}, has {100 * lines / n_lines:.0f} %")
    found = circles(graph)
    print(f"{'import circles':<18} {len(found):>4}")
    for circle in found:
        print(f"  {', '.join(sorted(str(file.relative_to(package)) for file in circle))}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--trace"]:
        print(json.dumps(trace(Path(sys.argv[2]), sys.argv[3:])))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "src")
