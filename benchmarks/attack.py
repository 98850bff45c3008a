"""Attacks of real size on a running service: what each is answered, how long it takes, and how much memory it costs.

    python benchmarks/attack.py [WORD]

Only attacks whose name holds WORD are made, if it is given. The bombs are made on the fly. After every attack a good
request must be answered as before.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import resource
import socket
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from service import Load, serving

MIB = 1 << 20
N_CONNECTIONS = 3000
N_SLOW = 100
HOURS = 8
FLAC_RATE_HZ = 8000
SIDE = 10_000  # of an image of 100 megapixels


def eight_hours(*, says_so: bool) -> bytes:
    """Return FLAC of silence; the length in its header is right, or left out as streams do."""
    file = io.BytesIO()
    minute = np.zeros(60 * FLAC_RATE_HZ, np.int16)
    with soundfile.SoundFile(file, "w", FLAC_RATE_HZ, 1, "PCM_16", format="FLAC") as sound:
        for _ in range(60 * HOURS):
            sound.write(minute)
    data = bytearray(file.getvalue())
    if not says_so:
        # The last 36 bits before the checksum in STREAMINFO count the samples; 0 means unknown.
        data[21] &= 0xF0
        data[22:26] = bytes(4)
    return bytes(data)


def large_png() -> bytes:
    """Return a black PNG of 100 megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze = zlib.compressobj()
    row = bytes(SIDE + 1)
    rows = b"".join([*(squeeze.compress(row) for _ in range(SIDE)), squeeze.flush()])
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zip_bomb() -> bytes:
    """Return a gigabyte of zeros as a zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb.wav", "w") as inside:
        for _ in range(1024):
            inside.write(bytes(MIB))
    return file.getvalue()


@dataclass(frozen=True)
class Target:
    """The service under attack."""

    port: int
    process: subprocess.Popen[bytes]
    loads: dict[str, Load]

    def post(self, model: str, body: object, content_type: str, **headers: str) -> str:
        """Return the status and the words of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("POST", f"/v1/predict/{model}", body, {"Content-Type": content_type, **headers})
            response = connection.getresponse()
            return _told(response.status, response.read())
        finally:
            connection.close()

    def is_well(self) -> bool:
        """Whether a good request to every model is answered as before."""
        for model, load in self.loads.items():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request(
                "POST", f"/v1/predict/{model}{load.query}", load.body, {"Content-Type": load.content_type}
            )
            response = connection.getresponse()
            values = json.loads(response.read())
            connection.close()
            if response.status != 200 or values["label"] != load.expected.label:
                return False
        return True

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.settimeout(60)
        return connection

    def head(self, n_bytes: int) -> bytes:
        return (
            f"POST /v1/predict/sound HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: audio/wav\r\n"
            f"Content-Length: {n_bytes}\r\n\r\n"
        ).encode()

    def megabytes(self, key: str) -> float:
        """Return a line of /proc/…/status, such as the peak of the resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split(f"{key}:")[1].split()[0]) / 1024


def _told(status: int, body: bytes) -> str:
    detail = json.loads(body).get("detail", "answered") if body.startswith(b"{") else "answered"
    return f"{status} {detail[:90]}"


def declared(target: Target) -> str:
    """Two gigabytes that are announced."""
    with target.connect() as connection:
        connection.sendall(target.head(2 << 30) + bytes(MIB))
        return connection.recv(100).split(b"\r\n")[0].decode()


def streamed(target: Target) -> str:
    """Two gigabytes that come piece by piece without a length."""
    n_sent = 0
    with target.connect() as connection:
        connection.sendall(
            b"POST /v1/predict/sound HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: audio/wav\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"100000\r\n" + bytes(MIB) + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(2048):
                connection.sendall(piece)
                n_sent += 1
        try:
            answer = connection.recv(100).split(b"\r\n")[0].decode()
        except OSError:
            answer = "connection closed"
    return f"{answer} after {n_sent} MiB"


def halves(target: Target) -> str:
    """A hundred clients that go away in the middle of a body."""
    for _ in range(100):
        with target.connect() as connection:
            connection.sendall(target.head(1000) + bytes(500))
    time.sleep(1)
    return "gone"


def slow_bodies(target: Target) -> str:
    """A hundred clients that send a byte a second."""
    return _slow(target, target.head(1000))


def slow_heads(target: Target) -> str:
    """A hundred clients that send the first line byte by byte."""
    return _slow(target, b"POST ")


def _slow(target: Target, beginning: bytes) -> str:
    answers: Counter[str] = Counter()
    connections = [target.connect() for _ in range(N_SLOW)]
    for connection in connections:
        connection.sendall(beginning)
        connection.setblocking(False)
    while connections:
        time.sleep(1)
        for connection in list(connections):
            try:
                answer = connection.recv(100)
                answers[answer.split(b"\r\n")[0].decode() or "closed"] += 1
            except BlockingIOError:
                with contextlib.suppress(OSError):
                    connection.send(b"x")
                continue
            except OSError:
                answers["closed"] += 1
            connection.close()
            connections.remove(connection)
    return ", ".join(f"{n} times {answer}" for answer, n in answers.items())


def crowd(target: Target) -> str:
    """Thousands of connections that ask nothing, and a good request among them."""
    connections = []
    with contextlib.suppress(OSError):
        connections.extend(target.connect() for _ in range(N_CONNECTIONS))
    told = f"{len(connections)} opened; among them {target.post('sound', b'x', 'audio/wav')[:40]!r}"
    for connection in connections:
        connection.close()
    return told


def attacks() -> Iterator[tuple[str, Callable[[Target], str]]]:
    """Yield what to do, with its name."""
    yield "2 GB announced", declared
    yield "2 GB streamed", streamed
    for says_so, how in ((True, ""), (False, " that do not say so")):
        yield (
            f"{HOURS} hours of flac{how}",
            lambda target, says_so=says_so: target.post("sound", eight_hours(says_so=says_so), "audio/flac"),
        )
    yield "100 megapixels of PNG", lambda target: target.post("drawing", large_png(), "image/png")
    for kind in ("application/zip", "audio/wav"):
        yield f"1 GB in a zip as {kind}", lambda target, kind=kind: target.post("sound", zip_bomb(), kind)
    packed = zlib.compress(bytes(64 * MIB))
    gzipped = {"Content-Encoding": "gzip"}
    yield "a gzipped body", lambda target: target.post("sound", packed, "audio/wav", **gzipped)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="1" height="1"/></svg>'
    yield "an svg", lambda target: target.post("drawing", svg, "image/svg+xml")
    yield "a type that is none", lambda target: target.post("sound", b"x", "application/x-nonsense")
    yield "a picture to ears", lambda target: target.post("sound", large_png()[:1000], "image/png")
    yield "half a body, 100 times", halves
    yield f"{N_SLOW} slow bodies", slow_bodies
    yield f"{N_SLOW} slow heads", slow_heads
    yield f"{N_CONNECTIONS} connections", crowd


def main(word: str) -> None:
    """Print a line for each attack."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loads = {"sound": Load("notes"), "drawing": Load("symbols")}
    models = f"sound={loads['sound'].file}", f"drawing={loads['drawing'].file}"
    with serving(models) as (process, port):
        target = Target(port, process, loads)
        if not target.is_well():
            raise SystemExit("the service does not answer as predict does")
        print(f"before: {target.megabytes('VmRSS'):.0f} MB", flush=True)
        for name, attack in attacks():
            if word not in name:
                continue
            Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="utf-8")  # begin a new peak
            began_s = time.monotonic()
            told = attack(target)
            took_s = time.monotonic() - began_s
            peak_mb, health = target.megabytes("VmHWM"), "well" if target.is_well() else "NOT WELL"
            print(f"{name}: {told} | {took_s:.1f} s, peak {peak_mb:.0f} MB, then {health}", flush=True)
        print(f"after: {target.megabytes('VmRSS'):.0f} MB", flush=True)
    print(f"exit code {process.returncode}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
