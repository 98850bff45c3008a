"""An S3 server on the loopback, and sounds to put there."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import soundfile

from tiny import tone

BUCKET = "music"


@contextmanager
def s3_server() -> Iterator[str]:
    """Give the address of an S3 server with an empty bucket, known to every library through the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
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
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield address
    finally:
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
