"""Reading a line over REST."""

from __future__ import annotations

import io
import zipfile

import pytest

from earmark.data import read_manifest
from written import line_of

testclient = pytest.importorskip("starlette.testclient", reason="needs the serve extra")


@pytest.fixture(scope="module")
def client():
    from earmark.recognizer import zoo
    from earmark.serve.app import make_app

    files = {name: zoo()[name] for name in ("symbols", "notes")}
    with testclient.TestClient(make_app(files), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def line():
    ink, groups = line_of("Sharp", "Half-Note", "Barline", "Double-Sharp")
    known = [{"label": "Natural", "strokes": list(groups[0])}]
    return {
        "strokes": [stroke.tolist() for stroke in ink.strokes],
        "staff": {"top": -32, "space": 16},
        "known": known,
    }


def test_a_line_is_read_and_printed(client, line):
    answer = client.post("/v1/read/symbols", json=line)
    assert answer.status_code == 200
    values = answer.json()
    assert [symbol["label"] for symbol in values["symbols"]] == ["Natural", "Half-Note", "Barline", "Double-Sharp"]
    assert values["svg"].startswith("<svg")
    assert values["staff"] == {"top": -32, "space": 16}
    assert 'earmark_requests_total{model="symbols",status="200"}' in client.get("/metrics").text


def test_a_line_becomes_music_and_examples(client, line, tmp_path):
    music = client.post("/v1/read/symbols?wanted=musicxml", json=line)
    assert music.headers["content-type"] == "application/vnd.recordare.musicxml+xml"
    assert "<accidental>natural</accidental>" in music.text
    examples = client.post("/v1/read/symbols?wanted=homus", json={"lines": [line, line]})
    assert zipfile.ZipFile(io.BytesIO(examples.content)).namelist() == ["own/own-1.txt", "own/own-2.txt"]
    (tmp_path / "own.zip").write_bytes(examples.content)
    manifest = read_manifest(tmp_path / "own.zip")
    assert [(example.label, example.group) for example in manifest.examples] == [("Natural", "writer own")] * 2


def test_what_cannot_be_read_is_answered_with_a_problem(client, line):
    for body, status, said in (
        (b"{", 422, "not JSON"),
        (b"[]", 422, "not a line"),
        (b"{}", 422, "has the keys"),
        (b'{"strokes": []}', 422, "has no strokes"),
    ):
        answer = client.post("/v1/read/symbols", content=body)
        assert answer.status_code == status
        assert said in answer.json()["detail"]
    assert client.post("/v1/read/symbols?wanted=pdf", json=line).status_code == 400
    assert client.post("/v1/read/nothing", json=line).status_code == 404
    assert client.post("/v1/read/notes", json=line).status_code == 400
    unnamed = {key: value for key, value in line.items() if key != "known"}
    assert "no symbol is named" in client.post("/v1/read/symbols?wanted=homus", json=unnamed).json()["detail"]
    assert "/v1/read/{model}" in client.get("/v1/openapi.json").json()["paths"]
