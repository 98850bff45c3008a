"""The same commands over two Ray nodes of one core: the same bytes, bad files, exit codes; faults lose nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
import soundfile

import earmark
from earmark import parallel
from earmark.distributed import connect
from earmark.distributed.parts import Job, Made, part_name, write_in_parts
from earmark.errors import MissingExtraError, UsageError
from earmark.parallel import in_order, map_processes
from earmark.storage import as_path
from object_storage import BUCKET, put_sounds, s3_server
from opt_in import takes_minutes
from ray_nodes import PATIENCE_S, node, nodes_of_one_core
from tiny import save_tiny

ADDRESS = "auto"

# Ray Data copies its own settings by their old names too.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")


@pytest.fixture(scope="module")
def s3():
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def one_node(s3):
    """A node that knows the S3 server; alone for the first test only."""
    with nodes_of_one_core(1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def nodes(one_node):
    """Two nodes that know the S3 server."""
    one_node.add_node(**node())
    one_node.wait_for_nodes(timeout=PATIENCE_S)
    return one_node


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("cluster")
    save_tiny(root / "tiny.onnx")
    put_sounds(root / "sounds")
    return root


def parts(folder):
    return [row for path in sorted(folder.glob("part-*")) for row in pq.read_table(path).to_pylist()]


def bytes_in(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def tables(run, place, n_nodes):
    """Return the bytes of two tables: of local sounds into a local folder, and of sounds on S3 into S3."""
    there = as_path(f"s3://{BUCKET}/sounds")
    if not there.exists():
        put_sounds(there)
    made = []
    for source, out in (
        (place / "sounds", place / f"on-{n_nodes}"),
        (there, as_path(f"s3://{BUCKET}/on-{n_nodes}")),
    ):
        options = ("--cluster", ADDRESS) if n_nodes else ()
        code, _, err = run("predict", place / "tiny.onnx", source, "--format", "parquet", "-o", out, *options)
        assert code == 1, err
        made.append(bytes_in(out))
    return made


def test_tables_from_one_node_are_the_same_bytes_here_and_on_s3(one_node, run, place):
    with earmark.cluster(ADDRESS) as cluster:
        assert cluster.n_nodes == 1
    assert tables(run, place, 1) == tables(run, place, 0)


def square(number, *, deadly=()):
    if number in deadly:
        os.kill(os.getpid(), 11)
    return number, number**2


def meet(number, *, folder):
    """Return the node of this task once the other of the two has begun: a node of one core has one at a time."""
    (folder / str(number)).touch()
    end_s = time.monotonic() + PATIENCE_S
    while not (folder / str(1 - number)).exists():
        assert time.monotonic() < end_s
        time.sleep(0.05)
    return ray.get_runtime_context().get_node_id()


def refuse(number):
    raise MissingExtraError(f"number {number}", "av")


def test_the_map_uses_both_nodes_and_keeps_the_order(nodes, tmp_path):
    with earmark.cluster(ADDRESS) as cluster:
        assert (cluster.n_nodes, cluster.n_cores) == (2, 2)
        assert list(in_order(map_processes(square, range(30), workers=1, chunk=4))) == [(n, n * n) for n in range(30)]
        found = {place for _, place in map_processes(partial(meet, folder=tmp_path), range(2), workers=1)}
        assert len(found) == 2
        with pytest.raises(MissingExtraError, match=r"number 0 needs the av extra") as refusal:
            list(map_processes(refuse, [0], workers=1))
        assert refusal.value.extra == "av"
    assert parallel.stays_here(1, 9)


def test_an_item_that_kills_its_process_is_named_and_the_rest_is_done(nodes):
    deadly = partial(square, deadly=(5,))
    with earmark.cluster(ADDRESS):
        found = map_processes(deadly, range(8), workers=1, chunk=4, survive_crashes=lambda n: (n, "crashed"))
        assert list(in_order(found)) == [(n, "crashed" if n == 5 else n * n) for n in range(8)]


@pytest.mark.parametrize("form", ["csv", "table", "jsonl"])
def test_predictions_are_the_same_bytes(nodes, run, place, form):
    arguments = ("predict", place / "tiny.onnx", place / "sounds", "--format", form)
    assert run(*arguments, "--cluster", ADDRESS) == run(*arguments)


@takes_minutes
def test_the_check_finds_the_same_repetitions(nodes, run, tmp_path):
    folder = tmp_path / "repeated" / "x"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=8 * 8000).astype(np.float32) / 10 for _ in range(3)]
    for number, samples in enumerate([*noise, 0.5 * noise[0], noise[1][8000:]]):
        soundfile.write(folder / f"{number}.wav", samples, 8000)
    (folder / "broken.wav").write_bytes(b"no sound")
    arguments = ("check", tmp_path / "repeated", "--json")
    (code, out, err), (code_here, out_here, _) = run(*arguments, "--cluster", ADDRESS), run(*arguments)
    assert (code, out) == (code_here, out_here), err
    # With the votes of every pair, so the shards have counted as one index does.
    assert out.count('"votes"') == 2


def test_the_scores_are_the_same_bytes(nodes, run, place):
    arguments = ("evaluate", place / "tiny.onnx", "--data", place / "named", "--json")
    for label, number in (("A4", 0), ("C4", 1), ("E4", 2)):
        (place / "named" / label).mkdir(parents=True, exist_ok=True)
        for name in (number, number + 3):
            source = place / "sounds" / "ACE"[number] / f"{name}.wav"
            (place / "named" / label / source.name).write_bytes(source.read_bytes())
    (code, out, _), (code_here, out_here, _) = run(*arguments, "--cluster", ADDRESS), run(*arguments)
    assert (code, out) == (code_here, out_here)
    assert code == 0


def test_tables_from_two_nodes_are_the_same_bytes_here_and_on_s3(nodes, run, place):
    local, on_s3 = tables(run, place, 2)
    assert [local, on_s3] == tables(run, place, 0)
    assert local.keys() == on_s3.keys()
    here, there = (pq.read_table(io.BytesIO(each[part_name(0)])).to_pylist() for each in (local, on_s3))
    for row in there:
        row["input"] = row["input"].replace(f"s3://{BUCKET}/sounds", str(place / "sounds"))
        row["error"] = row["error"] and row["error"].replace(f"s3://{BUCKET}/sounds", str(place / "sounds"))
    assert there == here


def test_features_are_the_same_bytes(nodes, run, place):
    arguments = ("features", place / "sounds", "--segment-s", "1", "-o")
    for name in ("one.csv", "one"):
        assert run(*arguments, place / name)[0] == 1
        code, _, err = run(*arguments, place / f"cluster-{name}", "--cluster", ADDRESS)
        assert code == 1
        assert "broken.wav" in err
    assert (place / "cluster-one.csv").read_bytes() == (place / "one.csv").read_bytes()
    assert bytes_in(place / "cluster-one") == bytes_in(place / "one")


def make(row, *, deadly):
    if row["n"] == deadly:
        os.kill(os.getpid(), 11)
    return Made(({"n": row["n"]},))


def test_a_poisoned_input_costs_its_own_row_only(nodes, tmp_path):
    job = Job(
        {"kind": "deadly"},
        {"n": "int64"},
        {"n": "int64"},
        partial(make, deadly=3),
        lambda row: Made((), f"{row['n']}: ends the process"),
    )
    with earmark.cluster(ADDRESS):
        table = write_in_parts(job, ({"n": n} for n in range(6)), out=tmp_path / "t", rows_a_part=3)
    assert [row["n"] for row in parts(tmp_path / "t")] == [0, 1, 2, 4, 5]
    assert table.failures == ("3: ends the process",)


def test_another_version_is_one_sentence(nodes, monkeypatch):
    monkeypatch.setattr(connect, "version", lambda _: "9.9")
    with (
        pytest.raises(UsageError, match=r"^2 of 2 nodes have another Earmark than this one, 9.9: .* install"),
        earmark.cluster(ADDRESS),
    ):
        pass


def test_a_node_without_earmark_is_one_sentence(nodes, monkeypatch):
    driver = os.getpid()

    def installed_version():
        if os.getpid() != driver:
            raise ModuleNotFoundError("No module named 'earmark'")
        return "1.0"

    monkeypatch.setattr(connect, "installed_version", installed_version)
    with (
        pytest.raises(UsageError, match=r"^a node of the cluster has no Earmark 1.0 \(No module named 'earmark'\)"),
        earmark.cluster(ADDRESS),
    ):
        pass


def test_training_one_network_is_left_to_torchrun(run, place):
    code, _, err = run("train", "sound", "--data", place / "sounds", "-o", place / "run", "--cluster", ADDRESS)
    assert code == 2
    assert "add --every-fold, or use torchrun" in err


def test_without_the_option_ray_is_not_imported(place):
    code = (
        "import sys; from earmark.cli import main\n"
        f"try: main(['predict', {str(place / 'tiny.onnx')!r}, {str(place / 'sounds')!r}])\n"
        "except SystemExit: pass\n"
        "assert not {'ray', 'upath', 'fsspec', 's3fs'} & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Last, because the cluster has one node less from here on.
def test_a_lost_node_costs_nothing(nodes):
    extra = nodes.add_node(**node())
    with earmark.cluster(ADDRESS) as cluster:
        assert cluster.n_cores == 3
        found = map_processes(slow, range(24), workers=1)
        first = [next(found) for _ in range(3)]
        nodes.remove_node(extra, allow_graceful=False)
        assert sorted(first + list(found)) == [(n, -n) for n in range(24)]


def slow(number):
    time.sleep(0.2)
    return -number
