"""The notebooks under examples/, their code run cell by cell as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "examples" / "notebooks"
GTZAN = Path(__file__).parents[2] / "shared" / "data" / "gtzan" / "audio"

pytestmark = pytest.mark.slow


def run_notebook(name: str) -> dict[str, object]:
    """Run every code cell in one namespace, as a kernel would; lines of installation are left out."""
    notebook = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            lines = [line for line in cell["source"] if not line.startswith("%pip")]
            exec(compile("".join(lines), f"{name}:{cell['id']}", "exec"), names)  # noqa: S102 - a file of this repository
    return names


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_of_format_4_hold_no_output_and_install_what_they_need(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert '"earmark[train]"' in "".join(code[0]["source"])
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def test_own_sounds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    names = run_notebook("own_sounds.ipynb")
    assert names["scores"].accuracy > 0.8
    assert (tmp_path / "earmark-own-sounds" / "run" / "report.html").is_file()
    assert "of 12 test sounds are right" in capsys.readouterr().out


def test_honest_gtzan(tmp_path, monkeypatch, capsys):
    if not GTZAN.is_dir():
        pytest.skip("needs ../shared/data/gtzan")
    for genre in ("blues", "classical", "disco"):
        (tmp_path / "few" / genre).mkdir(parents=True)
        for track in sorted((GTZAN / genre).glob("*.flac"))[:6]:
            (tmp_path / "few" / genre / track.name).symlink_to(track)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_GTZAN", str(tmp_path / "few"))
    names = run_notebook("honest_gtzan.ipynb")
    assert names["leaky"].scores.n > names["honest"].scores.n
    out = capsys.readouterr().out
    assert "clips at random" in out
    assert "artists apart" in out
