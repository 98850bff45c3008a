"""Connection to a Ray cluster, and what every node of it must have."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from earmark import extras, parallel
from earmark.distributed.engine import RayEngine
from earmark.errors import UsageError, refusing
from earmark.text import some

AUTO = "auto"
_LOCAL = re.compile(r"local:(\d+)")
_HOST = re.compile(r"(?:ray://)?(?P<host>[\w.-]+):(?P<port>\d+)")
_WAIT_S = 10.0
_ADVICE = "give auto, HOST:PORT, ray://HOST:PORT or local:N"


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to; within `cluster`, all of Earmark's maps over examples run on it.

    Attributes
    ----------
    n_nodes, n_cores
        As there were when it was connected to.
    """

    n_nodes: int
    n_cores: int


@contextmanager
def cluster(address: str = AUTO) -> Iterator[Cluster]:
    """Work on a Ray cluster: what is read, predicted, measured or searched within runs on its nodes.

    Results are those of one machine. Files must be visible to every node under the same name: behind URLs, or in a
    folder that all nodes mount.

    Parameters
    ----------
    address
        ``"auto"`` for the cluster that this machine is part of, ``"HOST:PORT"`` or ``"ray://HOST:PORT"`` for another,
        ``"local:4"`` for four processes here. Where this process is connected to Ray already, that is used.

    Raises
    ------
    MissingExtraError
        When Ray is not installed.
    UsageError
        When there is no cluster at the address, or a node has no Earmark or another version.

    Examples
    --------
    >>> import earmark
    >>> with earmark.cluster("auto"):  # doctest: +SKIP
    ...     report = earmark.check("s3://archive/songs")
    """
    extras.require("--cluster", "cluster", "ray")
    import ray

    is_ours = not ray.is_initialized()
    if is_ours:
        connect(address)
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        _refuse_other_versions(nodes)
        with parallel.engine(RayEngine()):
            yield Cluster(len(nodes), int(ray.cluster_resources().get("CPU", 0)))  # type: ignore[no-untyped-call]
    finally:
        if is_ours:
            ray.shutdown()


def connect(address: str) -> None:
    """Connect to the cluster at `address`, or start one here."""
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    if local := _LOCAL.fullmatch(address):
        if not int(local[1]):
            raise UsageError(f"--cluster {address}: at least one process is needed; write local:1")
        # What Ray raises when a process of its own does not come up in time is a bare Exception.
        with refusing(
            lambda error: UsageError(
                f"--cluster {address}: Ray did not start ({_first(error)}); try again, or leave it out"
            )
        ):
            # "local", because without an address Ray would rather join a cluster that this machine is part of.
            ray.init(address="local", num_cpus=int(local[1]), **options)
        return
    if address != AUTO:
        _refuse_nobody(address)
    del options["include_dashboard"]
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"--cluster {address}: there is no Ray cluster to work on ({_first(error)}); start one with 'ray start"
            f" --head', or {_ADVICE}"
        ) from error


def _first(error: BaseException) -> str:
    """Return the first sentence of what Ray says."""
    return str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")


def _refuse_nobody(address: str) -> None:
    """Raise `UsageError` when nobody answers at an address: Ray itself would try for a minute."""
    found = _HOST.fullmatch(address)
    if found is None:
        raise UsageError(f"--cluster {address}: is no address of a cluster; {_ADVICE}")
    try:
        socket.create_connection((found["host"], int(found["port"])), timeout=_WAIT_S).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--cluster {address}: nobody answers there ({getattr(error, 'strerror', None) or error}); start a cluster"
            f" with 'ray start --head', or {_ADVICE}"
        ) from error


def _refuse_other_versions(nodes: Sequence[dict[str, Any]]) -> None:
    """Raise `UsageError` unless every node has this very version of Earmark."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = installed_version()
    ask = ray.remote(num_cpus=0)(installed_version)
    places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    try:
        found = ray.get([ask.options(scheduling_strategy=place).remote() for place in places])
    except ray.exceptions.RayTaskError as error:
        raise UsageError(
            f"a node of the cluster has no Earmark {here} ({error.cause}); install it on every node: pip install"
            f" 'earmark[cluster]=={here}'"
        ) from error
    others = [
        f"{node['NodeManagerAddress']} has {there or 'none'}"
        for node, there in zip(nodes, found, strict=True)
        if there != here
    ]
    if others:
        raise UsageError(
            f"{len(others)} of {len(found)} nodes have another Earmark than this one, {here}: {some(others)}; install"
            f" the same on every node: pip install 'earmark[cluster]=={here}'"
        )


def installed_version() -> str:
    """Return the version of Earmark on this node; empty when there is none."""
    try:
        return version("earmark")
    except PackageNotFoundError:
        return ""
