"""Every command and code block of the documentation runs, or is at least a call that the commands accept.

Fences say how: ``console`` holds commands that run in a folder with the samples, and the output that they print,
numbers aside; ``python`` runs, the blocks of a page one after the other; ``sh`` holds commands for data or devices that
a test does not have, whose names and options are checked; ``toml`` is parsed.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
import unicodedata
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import typer

from earmark.cli import make_app
from earmark.demo.sample_files import write_samples

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"console", "python", "sh", "toml", "json", "text", "csv", "yaml"}


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page):
    """Yield the fenced blocks of a page."""
    start, language, lines = 0, None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("```"):
            if language is None:
                start, language, lines = number, line[3:].strip(), []
            else:
                yield Block(page, start, language, "\n".join(lines))
                language = None
        elif language is not None:
            lines.append(line)
    assert language is None, f"{page}: the block of line {start} does not end"


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
RUN = {
    page: [block for block in BLOCKS if block.page == page and block.language in {"console", "python"}]
    for page in PAGES
}


def commands_of(text):
    """Yield the words of each `earmark` command, comments and continuations resolved."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if "earmark" in words:
            words = words[words.index("earmark") + 1 :]
            yield words[: next((n for n, word in enumerate(words) if word in {"|", "&", ">", "&&"}), len(words))]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("docs") / "samples")[0].path.parent


@pytest.fixture
def place(samples, tmp_path, monkeypatch):
    """A folder with the samples, where the commands of a page run."""
    shutil.copytree(samples, tmp_path / "samples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_every_fence_says_what_it_is():
    unknown = [f"{block}: {block.language!r}" for block in BLOCKS if block.language not in LANGUAGES]
    assert not unknown


def test_commands_stand_in_fences():
    indented = [
        f"{page.relative_to(ROOT)}: {line.strip()}"
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r"(    |\t)(\$ )?(earmark|python|pip|make) ", line) and page.name != "changes.md"
        if not any(line in block.text.splitlines() for block in BLOCKS if block.page == page)
    ]
    assert not indented


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in {"sh", "console"}], ids=str)
def test_commands_are_accepted(block):
    for words in commands_of(block.text):
        if words and not words[0].startswith("-"):
            accept(words)


def test_a_wrong_option_is_noticed():
    accept(["predict", "notes", "a.wav", "--top", "1"])
    for words, said in ((["predict", "notes", "a.wav", "--tip", "1"], "--tip"), (["predict", "notes"], "inputs")):
        with pytest.raises(Exception, match=said):  # the classes are private to typer
            accept(words)
    with pytest.raises(KeyError, match="sing"):
        accept(["sing"])


def accept(words):
    """Let the command line parse `words`, and run nothing; raise when it does not know them."""
    command, rest = typer.main.get_command(make_app([])), list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        command = command.commands[name]
    command.make_context(name, rest)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if RUN[page]], ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_run(page, place, run):
    names = {}
    for block in RUN[page]:
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 - the documentation is ours
            continue
        for command, expected in dialogues(block.text):
            (words,) = commands_of(command)
            code, out, err = run(*words)
            assert code == 0, (str(block), command, err)
            assert_alike(expected, out, where=f"{block}: {command}")


def dialogues(text):
    """Yield each command of a ``console`` block with the lines printed below it."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert parts, text
    for part in parts:
        lines = part.replace("\\\n", " ").splitlines()
        yield lines[0], [line for line in lines[1:] if line.strip()]


def assert_alike(expected, out, *, where):
    """Raise unless every expected line was printed, in this order; numbers and the width of columns may differ."""
    printed = iter([shape(line) for line in out.splitlines()])
    for line in expected:
        if line.strip() != "…":
            assert any(shape(line) == other for other in printed), f"{where}: not printed: {line}\n{out}"


def shape(line):
    """Return a line with its numbers, spaces and kind of composed characters made equal."""
    return re.sub(r"\s+", " ", re.sub(r"\d+([.,]\d+)*", "0", unicodedata.normalize("NFC", line))).strip()


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "toml"], ids=str)
def test_toml_is_toml(block):
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("tool", ["cli_reference", "recipe_reference"])
def test_references_are_current(tool):
    spec = spec_from_file_location(tool, ROOT / "tools" / f"{tool}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.reference(), f"run: python tools/{tool}.py"


def test_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## [{version}] - 20" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert not [path for path in (ROOT / "src").rglob("*.py") if f'"{version}"' in path.read_text(encoding="utf-8")]


def test_links_between_pages_exist():
    links = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target)
    ]
    broken = [f"{page.relative_to(ROOT)}: {target}" for page, target in links if not (page.parent / target).exists()]
    assert links
    assert not broken
