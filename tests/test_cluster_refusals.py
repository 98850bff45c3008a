"""A cluster that cannot be used is one sentence, before any work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import ray

from earmark.distributed import connect
from earmark.errors import UsageError
from tiny import save_tiny

ADDRESS = "auto"


def test_ray_that_does_not_start_is_one_sentence(monkeypatch):
    def init(*, address, num_cpus, **_):
        assert (address, num_cpus) == ("local", 2)
        raise Exception("The current node timed out during startup. This could happen because of much.")  # noqa: TRY002

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UsageError, match=r"^--cluster local:2: Ray did not start \(The current node timed out"):
        connect.connect("local:2")


def test_a_missing_ray_is_one_sentence(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, out, err = run("predict", save_tiny(tmp_path / "tiny.onnx"), tmp_path, "--cluster", ADDRESS)
    assert (code, out) == (2, "")
    assert err == "earmark: --cluster needs the cluster extra: pip install 'earmark[cluster]'\n"


def test_a_cluster_that_this_machine_is_no_part_of_is_one_sentence(tmp_path):
    command = [
        sys.executable,
        "-m",
        "earmark",
        "predict",
        save_tiny(tmp_path / "tiny.onnx"),
        tmp_path,
        "--cluster",
        "auto",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        command, env={**environment, "RAY_TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("earmark: --cluster auto: there is no Ray cluster to work on (")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", r"nobody answers there \(Connection refused\); start a cluster with 'ray start --head'"),
        ("somewhere", r"is no address of a cluster; give auto"),
        ("local:0", r"at least one process is needed"),
    ],
)
def test_no_cluster_is_one_sentence(address, sentence):
    with pytest.raises(UsageError, match=sentence):
        connect.connect(address)
