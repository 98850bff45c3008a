from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import onnx
import PIL.Image
import pytest
import soundfile
from fastapi.testclient import TestClient

from earmark import cli
from earmark.errors import ModelError, UsageError
from earmark.files import write_bytes
from earmark.live import Listener
from earmark.recognizer import Recognizer, as_dict
from earmark.recognizer.answers import SYMBOLS
from earmark.serve import Limits, make_app, model_files
from earmark.serve.batching import BatchingSession
from earmark.serve.limits import CURRENT_WORK, AbandonedError, CancelToken
from earmark.types import Sound
from tiny import save_tiny, tiny_card, tone

RATE_HZ = 22050
LIMITS = Limits(
    body_bytes=2 << 20, duration_s=20, pixels=1_000_000, n_items=5, body_s=1.0, work_s=20.0, n_active=4, n_requests=8
)
LISTEN = "ws://127.0.0.1/v1/listen"
# A form without a file.
NO_FILE = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
G_CLEF = [[[0, 0], [5, 9], [9, 3]], [[2, 2], [4, 4]]]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    eyes = tiny_card("ink-raster", task="symbol", labels=("G-Clef", "Dot", "Flat"))
    return {
        "ears": save_tiny(folder / "ears.onnx", tiny_card(temperature=40.0)),
        "eyes": save_tiny(folder / "eyes.onnx", eyes),
    }


@pytest.fixture(scope="module")
def client(files):
    app = make_app(files, limits=LIMITS)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def wav(samples: np.ndarray, rate_hz: int = RATE_HZ, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **{"format": "WAV", **options})
    return file.getvalue()


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(np.eye(height, width, dtype=np.uint8) * 255).save(file, "PNG")
    return file.getvalue()


def test_a_file_is_answered_as_predict_does(client, files):
    sound = tone(seconds=2.3)
    expected = as_dict(Recognizer.load(files["ears"]).predict(wav(sound), top=2, timeline=True, name="body"))
    answer = client.post(
        "/v1/predict/ears?top=2&timeline=true", content=wav(sound), headers={"content-type": "audio/wav"}
    )
    assert answer.status_code == 200
    values = answer.json()
    assert values["confidence"] == pytest.approx(expected["confidence"], abs=1e-5)
    assert values["label"] == expected["label"]
    assert [row["start_s"] for row in values["timeline"]] == [row["start_s"] for row in expected["timeline"]]
    assert len(values["top"]) == 2


def test_samples_are_answered_alike_raw_in_json_and_as_a_file(client):
    sound = tone(seconds=1.0)
    raw = client.post(f"/v1/predict/ears?sample_rate_hz={RATE_HZ}", content=sound.astype("<f4").tobytes())
    values = client.post("/v1/predict/ears", json={"samples": sound.tolist(), "sample_rate_hz": RATE_HZ})
    file = client.post("/v1/predict/ears", files={"file": ("a.wav", wav(sound, subtype="FLOAT"))})
    assert [answer.status_code for answer in (raw, values, file)] == [200] * 3
    assert file.json()["input"] == "a.wav"
    for answer in (raw, values):
        assert answer.json()["confidence"] == pytest.approx(file.json()["confidence"], abs=1e-5)


def test_strokes_and_images(client, files):
    strokes = client.post("/v1/predict/eyes", json={"strokes": G_CLEF}).json()
    expected = Recognizer.load(files["eyes"]).predict(G_CLEF)
    assert (strokes["label"], strokes["confidence"]) == (expected.label, pytest.approx(expected.confidence, abs=1e-5))
    assert strokes["character"] in "𝄞𝅭♭"
    image = client.post("/v1/predict/eyes", content=png(60, 60), headers={"content-type": "image/png"})
    assert image.status_code == 200
    text = client.post("/v1/predict/eyes", content="Dot\n1,1;2,2;\n", headers={"content-type": "text/plain"})
    assert text.status_code == 200


def test_a_long_sound_is_decoded_in_pieces(client, files):
    sound = np.concatenate([tone(seconds=4.1, hz=hz) for hz in (220, 330, 440, 550, 660)])[: 20 * RATE_HZ]
    for length in (20 * RATE_HZ, 20 * RATE_HZ - 1):
        answer = client.post("/v1/predict/ears", content=wav(sound[:length], subtype="FLOAT")).json()
        expected = Recognizer.load(files["ears"]).predict(Sound(sound[:length], RATE_HZ))
        assert answer["confidence"] == pytest.approx(expected.confidence, abs=1e-5)


def test_a_bad_input_among_several_is_answered_with_its_problem(client):
    parts = [("file", ("a.wav", wav(tone()))), ("file", ("b.wav", b"nonsense")), ("file", ("c.wav", b""))]
    results = client.post("/v1/predict/ears", files=parts).json()["results"]
    assert [result["input"] for result in results] == ["a.wav", "b.wav", "c.wav"]
    assert "label" in results[0]
    assert [result["problem"]["status"] for result in results[1:]] == [422, 422]
    several = client.post("/v1/predict/eyes", json={"items": [{"name": "x", "strokes": G_CLEF}, {"strokes": G_CLEF}]})
    assert [result["input"] for result in several.json()["results"]] == ["x", "item 2"]


def test_silence_is_an_answer(client):
    values = client.post("/v1/predict/ears", content=wav(np.zeros(RATE_HZ))).json()
    assert values["label"] == "unknown"
    assert values["reason"].startswith("silence")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
LONG = wav(np.zeros(8000 * 21), 8000, format="FLAC")


@pytest.mark.parametrize(
    ("path", "content", "kind", "status", "match"),
    [
        ("nothing", b"x", "audio/wav", 404, "no model 'nothing' here; known: ears, eyes"),
        ("ears", b"", "audio/wav", 422, "the body is empty"),
        ("ears", b"x" * 100, "audio/wav", 422, "not a sound that can be decoded"),
        ("ears", wav(tone())[:2000], "audio/wav", 422, "truncated"),
        ("ears", b"x" * (2 << 20) + b"x", "audio/wav", 413, "larger than 2,097,152 bytes"),
        ("ears", LONG, "audio/flac", 413, "lasts 21 s; at most 20 s"),
        ("ears", b"PK\x03\x04" + bytes(1000), "application/zip", 415, "'application/zip' are not taken"),
        ("ears", b"PK\x03\x04" + bytes(1000), "audio/wav", 422, "not a sound"),
        ("eyes", SVG, "image/svg+xml", 422, "is SVG or other markup"),
        ("eyes", png(1001, 1000), "image/png", 413, "1001×1000 pixels; at most 1,000,000"),
        ("eyes", png(60, 60)[:55], "image/png", 422, "cannot be decoded as an image"),
        ("eyes", wav(tone()), "audio/wav", 422, "cannot be decoded as an image"),
        ("eyes", b'{"strokes": 3}', "application/json", 422, "not a list"),
        ("eyes", b'{"strokes": [[[1, "x"]]]}', "application/json", 422, "item 1"),
        ("eyes", b'{"strokes": [], "more": 1}', "application/json", 422, "has the keys"),
        ("eyes", b"[" * 100_000, "application/json", 422, "not JSON"),
        ("eyes", b"7", "application/json", 422, "not an input"),
        ("ears", b'{"samples": [1, 2]}', "application/json", 422, "sample_rate_hz is None"),
        ("ears", b'{"samples": ["a"], "sample_rate_hz": 8000}', "application/json", 422, "list of numbers"),
        ("ears", b'{"samples": [NaN, 1], "sample_rate_hz": 8000}', "application/json", 422, "NaN or infinite"),
        ("ears", b'{"strokes": [[[1, 2]]]}', "application/json", 422, "listens to sounds"),
        ("ears?sample_rate_hz=8000", b"abc", "application/octet-stream", 422, "whole ones"),
        ("ears?sample_rate_hz=1", bytes(8), "application/octet-stream", 400, "sample_rate_hz"),
        ("ears?tpo=3", b"x", "audio/wav", 400, "did you mean 'top'"),
        ("eyes?timeline=true", b'{"strokes": [[[1, 2], [3, 4]]]}', "application/json", 400, "no timeline"),
        ("ears?top=0", b"x", "audio/wav", 400, "top: "),
        ("ears", b"--x\r\n\r\n", "multipart/form-data", 422, "form cannot be read"),
        ("ears", NO_FILE, "multipart/form-data; boundary=x", 422, "holds no file"),
        ("ears", json.dumps({"items": [{}] * 6}).encode(), "application/json", 413, "6 inputs in one request"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_requests_are_answered_with_a_problem(client, path, content, kind, status, match):
    answer = client.post(f"/v1/predict/{path}", content=content, headers={"content-type": kind})
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), problem
    assert any(part in problem["detail"] for part in match.split("|")), problem


def test_compressed_bodies_are_not_undone(client):
    headers = {"content-type": "audio/wav", "content-encoding": "gzip"}
    assert client.post("/v1/predict/ears", content=b"x", headers=headers).status_code == 415


def test_what_is_not_served_is_a_problem_too(client):
    for method, path, status in (("GET", "/nowhere", 404), ("GET", "/v1/predict/ears", 405)):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400


def test_the_service_describes_itself(client):
    assert client.get("/healthz").json() == {"status": "ok", "models": ["ears", "eyes"]}
    models = client.get("/v1/models").json()["models"]
    assert models["ears"]["labels"] == ["A4", "C4", "E4"]
    assert (models["ears"]["window_s"], models["eyes"]["window_s"]) == (1.0, None)
    document = client.get("/v1/openapi.json").json()
    body = document["paths"]["/v1/predict/{model}"]["post"]["requestBody"]["content"]
    assert "strokes" in body["application/json"]["examples"]
    client.post("/v1/predict/ears", content=wav(tone()))
    metrics = client.get("/metrics").text
    assert 'earmark_requests_total{model="ears",status="200"}' in metrics
    assert 'earmark_requests_total{model="eyes",status="413"}' in metrics
    assert "earmark_requests_in_flight 0.0" in metrics


def test_the_page_asks_nobody_else(client):
    index = client.get("/")
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in index.headers["content-security-policy"]
    parts = [part for part in index.text.split('"') if part.startswith("/page/")]
    assert len(parts) == 2
    for name in (
        "app.js",
        "api.js",
        "draw.js",
        "ink.js",
        "line.js",
        "sound.js",
        "recorder.js",
        "style.css",
        "symbols.svg",
    ):
        part = client.get(f"/page/{name}")
        assert part.status_code == 200
        assert "//" not in part.text.replace("https:", "").replace("// ", "").replace("://${", "").replace(
            "http://www.w3.org/2000/svg", ""
        )
    symbols = client.get("/page/symbols.svg").text
    assert all(f'id="{label}"' in symbols for label in SYMBOLS)
    assert client.get("/page/nothing.js").status_code == 404
    assert client.get("/page/..%2fapp.py").status_code == 404


def test_tokens(files):
    with TestClient(make_app(files, tokens=["secret", "other"]), base_url="http://localhost") as client:
        assert client.get("/healthz").status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret"}):
            answer = client.post("/v1/predict/ears", content=b"x", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert client.get("/v1/models", headers=headers).status_code == 401
        assert client.get("/v1/models", headers={"authorization": "Bearer other"}).status_code == 200
        with client.websocket_connect(LISTEN) as stream:
            stream.send_json({"model": "ears", "sample_rate_hz": RATE_HZ, "token": "wrong"})
            assert "needs a token" in stream.receive_json()["error"]


def test_models_of_ones_own(client, files, tmp_path):
    file = files["eyes"].read_bytes()
    refused = client.put("/v1/models/mine", content=file)
    assert (refused.status_code, "n_own_models" in refused.json()["detail"]) == (403, True)
    assert client.get("/v1/models").json()["takes_own"] is False
    elsewhere = onnx.load(files["eyes"])
    tensor = elsewhere.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    limits = LIMITS.model_copy(update={"n_own_models": 1})
    app = make_app({"ears": files["ears"]}, limits=limits)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as open_client:
        for name, content, status, sentence in (
            ("ears", file, 409, "there is a model 'ears' already"),
            ("a b", file, 422, "letters, digits"),
            ("mine", b"", 422, "empty"),
            ("mine", b"nonsense", 422, "mine: not a readable ONNX model"),
            ("mine", elsewhere.SerializeToString(), 422, "weights in another file"),
            ("mine", file + b"\x0a\x88\x00location", 422, "weights in another file"),
            ("mine", bytes(3 << 20), 413, "larger than"),
        ):
            answer = open_client.put(f"/v1/models/{name}", content=content)
            assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True), answer.json()
        brought = open_client.put("/v1/models/mine", content=file)
        assert (brought.status_code, brought.json()["labels"]) == (201, ["G-Clef", "Dot", "Flat"])
        answer = open_client.post("/v1/predict/mine", json={"strokes": G_CLEF}).json()
        assert answer["label"] == Recognizer.load(files["eyes"]).predict(G_CLEF, force=True).label
        models = open_client.get("/v1/models").json()
        assert (list(models["models"]), models["takes_own"]) == (["ears", "mine"], True)
        assert "which is the most" in open_client.put("/v1/models/other", content=file).json()["detail"]


def test_a_stream_answers_as_listen_does(client, files):
    sound = np.concatenate([tone(hz=hz) for hz in (440, 300, 500)])
    expected = Listener(Recognizer.load(files["ears"]), RATE_HZ).feed(sound)
    with client.websocket_connect(LISTEN) as stream:
        stream.send_json({"model": "ears", "sample_rate_hz": RATE_HZ})
        assert stream.receive_json() == {"ready": True, "window_s": 1.0, "hop_s": 0.25}
        for piece in np.split(sound, range(2000, len(sound), 2000)):
            stream.send_bytes(piece.astype("<f4").tobytes())
        for update in expected:
            values = stream.receive_json()
            assert values["label"] == update.answer.label
            assert values["confidence"] == pytest.approx(update.answer.confidence, abs=1e-5)
        stream.send_text("end")
        assert stream.receive_json()["end_s"] == pytest.approx(3.0, abs=0.001)


@pytest.mark.parametrize(
    ("hello", "then", "match"),
    [
        ({"model": "nothing", "sample_rate_hz": 8000}, None, "no model 'nothing'"),
        ({"model": "eyes", "sample_rate_hz": 8000}, None, "reads drawings"),
        ({"model": "ears"}, None, "'sample_rate_hz' is missing"),
        ({"model": "ears", "sample_rate_hz": 8000, "modle": 1}, None, "unknown key 'modle'"),
        ([1], None, "not an object"),
        ({"model": "ears", "sample_rate_hz": 8000}, b"abc", "samples are float32"),
        ({"model": "ears", "sample_rate_hz": 8000}, bytes(8000 * 24), "send less"),
        ({"model": "ears", "sample_rate_hz": 8000}, np.float32([np.nan]).tobytes(), "NaN or infinite"),
        ({"model": "ears", "sample_rate_hz": 8000}, "hello", "a message is text"),
    ],
)
def test_bad_streams_are_told_why(client, hello, then, match):
    with client.websocket_connect(LISTEN) as stream:
        stream.send_json(hello)
        if then is not None:
            stream.receive_json()
            stream.send_text(then) if isinstance(then, str) else stream.send_bytes(then)
        assert match in stream.receive_json()["error"]
    assert "earmark_streams 0.0" in client.get("/metrics").text


def test_foreign_pages_may_not_stream(client):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect(LISTEN, headers={"origin": "http://a.b"}):
        pass


class HeldSession:
    """Doubles what it is given, once it is let go."""

    def __init__(self) -> None:
        self.is_free, self.batches = threading.Event(), []

    def run(self, outputs, feed):
        self.batches.append(len(feed["x"]))
        self.is_free.wait()
        if (feed["x"] < 0).any():
            raise RuntimeError("negative")
        return [feed["x"] * 2]


def wait_for(is_so) -> None:
    for _ in range(2000):
        if is_so():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen in 20 s")


def test_what_waits_is_computed_together():
    held = HeldSession()
    session = BatchingSession(held, max_windows=4)
    results: dict[int, np.ndarray] = {}

    def ask(number: int) -> None:
        width = 2 if number < 8 else 3
        results[number] = session.run(["y"], {"x": np.full((1, width), number, np.float32)})[0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    threads[0].start()
    wait_for(lambda: held.batches)
    for thread in threads[1:]:
        thread.start()
    wait_for(lambda: session._arrivals.qsize() == 9)
    held.is_free.set()
    for thread in threads:
        thread.join()
    session.close()
    assert {number: value.tolist() for number, value in results.items()} == {
        number: [[2.0 * number] * (2 if number < 8 else 3)] for number in range(10)
    }
    # Seven wait that can go together, at most four at a time, and two of another width, wherever these arrived.
    assert held.batches[0] == 1
    assert 3 <= max(held.batches) <= 4
    assert sum(held.batches) == 10


def test_errors_and_cancelled_work_in_a_batch():
    free = HeldSession()
    free.is_free.set()
    session = BatchingSession(free)
    with pytest.raises(RuntimeError, match="negative"):
        session.run(["y"], {"x": np.float32([[-1]])})
    assert session.run(["y"], {"x": np.float32([[1]])})[0].tolist() == [[2]]
    work = CancelToken(deadline_s=float("inf"))
    before = CURRENT_WORK.set(work)
    work.cancel()
    with pytest.raises(AbandonedError):
        session.run(["y"], {"x": np.float32([[1]])})
    CURRENT_WORK.reset(before)
    session.close()


def test_a_body_is_called_as_its_sender_says(client):
    sound = tone()
    answered = client.post("/v1/predict/ears?name=disco.00098.wav", content=wav(sound))
    assert answered.json()["input"] == "disco.00098.wav"
    refused = client.post("/v1/predict/ears?name=disco.00098.wav", content=b"no sound")
    assert refused.json()["detail"].startswith("disco.00098.wav: is not a sound")


def test_what_an_answer_rests_on(client):
    found = client.post("/v1/explain/eyes", json={"strokes": G_CLEF}).json()
    assert found["label"] in ("G-Clef", "Dot", "Flat")
    assert np.shape(found["feature_map"]) == np.shape(found["importance"])
    assert np.max(found["feature_map"]) == 255
    assert not found["is_sound"]
    heard = client.post("/v1/explain/ears", content=wav(tone(seconds=1.5))).json()
    assert heard["is_sound"]
    assert 0 <= heard["deciding_s"][0] < heard["deciding_s"][1] <= 1.6
    several = client.post("/v1/explain/eyes", json={"items": [{"strokes": G_CLEF}] * 2})
    assert (several.status_code, several.json()["detail"]) == (422, "2 inputs; one is explained at a time")
    assert client.post("/v1/explain/nobody", content=b"x").status_code == 404


def test_models_are_named(files, tmp_path):
    assert model_files([f"mine={files['ears']}", str(files["eyes"])]) == {"mine": files["ears"], "eyes": files["eyes"]}
    with pytest.raises(UsageError, match="empty or taken"):
        model_files([str(files["eyes"]), str(files["eyes"])])
    with pytest.raises(ModelError, match="no recognizer called"):
        model_files(["nowhere"])


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["--host", "0.0.0.0"], 2, "reached from other machines; give tokens"),  # noqa: S104
        (["--limit", "duration=3"], 2, "did you mean 'duration_s'"),
        (["--tokens", "missing.txt"], 1, "tokens cannot be read"),
    ],
)
def test_wrong_calls(capsys, files, arguments, code, match):
    with pytest.raises(SystemExit) as stop:
        cli.main(["serve", str(files["ears"]), *arguments])
    assert stop.value.code == code
    assert match in capsys.readouterr().err


@pytest.fixture
def service(files):
    """Start ``earmark serve`` as people do; give its process and address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "earmark.cli", "serve", f"ears={files['ears']}", f"eyes={files['eyes']}"]
    limits = ["body_s=1", "n_requests=6", "n_active=2", "n_connections=150"]
    limits = [part for limit in limits for part in ("--limit", limit)]
    with subprocess.Popen([*command, "--port", str(port), *limits], stderr=subprocess.PIPE, text=True) as process:
        try:
            for _ in range(200):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/healthz")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield process, port
        finally:
            process.kill()


def test_the_process_holds_its_limits_and_drains(service):
    process, port = service
    address = f"http://127.0.0.1:{port}"
    head = f"POST /v1/predict/ears HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: audio/wav\r\nContent-Length: "
    # A body that never comes, and half a body.
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
    for connection in slow:
        connection.sendall(f"{head}1000\r\n\r\nabc".encode())
    time.sleep(0.3)
    busy = httpx.post(f"{address}/v1/predict/ears", content=b"x")
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
    slow.pop().close()
    for connection in slow:
        connection.settimeout(10)
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
        connection.close()
    # Idle connections by the hundred do no harm: the first ones are closed.
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    assert httpx.post(f"{address}/v1/predict/ears", content=wav(tone())).status_code == 200
    idle[0].settimeout(10)
    assert idle[0].recv(1) == b""
    # What was begun before SIGTERM is answered.
    body = wav(tone())
    begun = socket.create_connection(("127.0.0.1", port))
    begun.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body[:100])
    time.sleep(0.3)
    for connection in idle:
        connection.close()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    begun.sendall(body[100:])
    begun.settimeout(10)
    assert begun.recv(100).startswith(b"HTTP/1.1 200")
    begun.close()
    assert process.wait(timeout=20) == 0
    assert process.stderr.read().splitlines()[0] == f"earmark: ears, eyes at {address}/"


def test_a_replaced_file_is_loaded_and_one_that_is_no_recognizer_is_not(tmp_path, caplog):
    path = save_tiny(tmp_path / "model.onnx", tiny_card("ink-raster", task="symbol", labels=("G-Clef", "Dot", "Flat")))
    app = make_app({"eyes": path}, limits=LIMITS)
    models = app.state.service.models

    def labels() -> list[str]:
        return client.get("/v1/models").json()["models"]["eyes"]["labels"]

    def replace(with_: bytes) -> None:
        write_bytes(path, with_)
        models.reload_changed()  # sees that it has changed
        models.reload_changed()  # and that it is no longer being written

    with TestClient(app, base_url="http://127.0.0.1") as client:
        begun = models["eyes"]
        other = tiny_card("ink-raster", task="symbol", labels=("Sharp", "Dot", "Flat"))
        replace(save_tiny(tmp_path / "other.onnx", other).read_bytes())
        assert labels() == ["Sharp", "Dot", "Flat"]
        assert client.post("/v1/predict/eyes", json={"strokes": G_CLEF}).status_code == 200
        assert begun.recognizer.predict(G_CLEF).top[0].label in {"G-Clef", "Dot", "Flat"}
        replace(b"no recognizer")
        assert "the recognizer before goes on" in caplog.text
        assert labels() == ["Sharp", "Dot", "Flat"]
        counts = client.get("/metrics").text
    assert 'earmark_reloads_total{model="eyes",result="loaded"} 1.0' in counts
    assert 'earmark_reloads_total{model="eyes",result="refused"} 1.0' in counts


def test_the_thread_of_a_replaced_recognizer_ends_with_its_last_request(tmp_path):
    card = tiny_card("ink-raster", task="symbol", labels=("G-Clef", "Dot", "Flat"))
    path = save_tiny(tmp_path / "model.onnx", card)
    app = make_app({"eyes": path}, limits=LIMITS)
    models = app.state.service.models
    thread = models["eyes"].session._thread
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.post("/v1/predict/eyes", json={"strokes": G_CLEF}).status_code == 200
        write_bytes(path, path.read_bytes())
        models.reload_changed()
        models.reload_changed()
        thread.join(timeout=30)
        assert not thread.is_alive()
