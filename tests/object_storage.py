"""An S3 server on the loopback, and sounds to put there."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import soundfile

from tiny import tone

BUCKET = "music"

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass
class Fault:
    """What is wrong with the server: the next so many requests are told to slow down, or are answered late."""

    n_throttled: int = 0
    n_late: int = 0
    late_s: float = 1.5

    def before(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """Return the WSGI application `app` with the fault before it."""

        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if self.n_throttled:
                self.n_throttled -= 1
                start_response("503 Slow Down", [("Content-Type", "application/xml")])
                return [SLOW_DOWN]
            if self.n_late:
                self.n_late -= 1
                time.sleep(self.late_s)
            return app(environ, start_response)

        return answer


FAULT = Fault()
"""Of the server of `s3_server`; set its counts."""


@contextmanager
def s3_server() -> Iterator[str]:
    """Give the address of an S3 server with an empty bucket, known to every library through the environment."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    server._server.app = FAULT.before(server._server.app)
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
    }
    try:
        with mock.patch.dict("os.environ", environment):
            # Clients are kept for the whole process, with the address of the server of another module.
            s3fs.S3FileSystem.clear_instance_cache()
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield address
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.stop()


def wav(hz: float, *, seconds: float = 1.2) -> bytes:
    """Return a quiet sine as the bytes of a WAV file."""
    stream = io.BytesIO()
    soundfile.write(stream, tone(seconds=seconds, hz=hz), 22050, format="WAV")
    return stream.getvalue()


def put_sounds(folder, *, n: int = 6) -> None:
    """Write `n` sounds of three labels, and one that is none, below a folder of any kind."""
    for number, hz in enumerate(np.geomspace(220, 880, n)):
        place = folder / "ACE"[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.wav").write_bytes(wav(hz))
    (folder / "A" / "broken.wav").write_bytes(b"no sound")
