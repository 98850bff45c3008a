"""Several processes of the service behind a proxy, set up as documented: no request fails while they change."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

from object_storage import wav
from proxy import PACKAGE, proxy
from ray_nodes import free_port
from tiny import save_tiny, tiny_card


def replica(model, port):
    command = [sys.executable, "-m", "earmark", "serve", f"tiny={model}", "--port", str(port)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def wait_until(is_so, *, seconds):
    end_s = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end_s, f"not within {seconds} s"
        time.sleep(0.1)


def answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(PACKAGE is None, reason="HAProxy comes with the extra cluster")
def test_a_recognizer_is_replaced_without_a_failed_request(tmp_path):
    old, new = save_tiny(tmp_path / "old.onnx"), tmp_path / "new.onnx"
    save_tiny(new, tiny_card(labels=("F4", "G4", "H4"), task="label"))
    front, *backs = (free_port() for _ in range(3))
    replicas = [replica(old, port) for port in backs]
    processes = [proxy(tmp_path, front, backs)]
    statuses: list[int] = []
    labels: list[str] = []
    stop = threading.Event()

    def ask():
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                reply = client.post(f"http://127.0.0.1:{front}/v1/predict/tiny", files={"file": ("a.wav", wav(440))})
                statuses.append(reply.status_code)
                labels.append(reply.json().get("label", ""))
                time.sleep(0.05)

    asking = threading.Thread(target=ask)
    try:
        wait_until(lambda: all(map(answers, backs)) and answers(front), seconds=120)
        time.sleep(1.5)  # the proxy has looked at both
        asking.start()
        for place, port in enumerate(backs):
            replicas[place].send_signal(signal.SIGTERM)
            replicas[place].wait()
            replicas[place] = replica(new, port)
            wait_until(lambda port=port: answers(port), seconds=120)
            time.sleep(3)  # the proxy looks every second, and believes the second look
        n_before = len(labels)
        wait_until(lambda: len(labels) > n_before + 5, seconds=60)
    finally:
        stop.set()
        if asking.ident is not None:
            asking.join()
        for process in (*processes, *replicas):
            process.kill()
            process.wait()
    assert set(statuses) == {200}
    assert labels[0] in {"A4", "C4", "E4"}
    assert set(labels[n_before:]) <= {"F4", "G4", "H4"}
