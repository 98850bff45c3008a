"""Ray nodes of one core each, on this machine."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 300.0
"""Ray gives a node 30 s and its agents 15 s to start, which a machine that is busy with other tests may not keep."""

PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")

# Known to every process that Ray starts: no reports home, threads as in the tests.
ENVIRONMENT = {
    "RAY_agent_register_timeout_ms": str(int(1000 * PATIENCE_S)),
    "RAY_usage_stats_enabled": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_register_timeout_seconds": str(int(PATIENCE_S)),
    "RAY_health_check_timeout_ms": str(int(1000 * PATIENCE_S)),
    "RAY_health_check_initial_delay_ms": str(int(1000 * PATIENCE_S)),
    "OMP_NUM_THREADS": "1",
}


def patient(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that waits for what is not there yet."""

    def waiting(*arguments: Any, **options: Any) -> Any:
        end_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return call(*arguments, **options)
            except RuntimeError:
                if time.monotonic() > end_s:
                    raise
                time.sleep(0.2)

    return waiting


def node() -> dict[str, int]:
    """Return the options of a node of one core, with its ports chosen."""
    return {"num_cpus": 1, "object_store_memory": 100 * 2**20, **{name: free_port() for name in PORTS}}


def ports_known(start_raylet: Callable[..., Any]) -> Callable[..., Any]:
    """Return a start of a node that does not wait 15 s for its agents to say which ports they have chosen."""

    def start(self: Any, *arguments: Any) -> Any:
        from ray._raylet import persist_port

        for name in PORTS:
            persist_port(self._session_dir, self._node_id, name, getattr(self._ray_params, name))
        return start_raylet(self, *arguments)

    return start


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def nodes_of_one_core(n_nodes: int) -> Iterator[Any]:
    """Give a ``ray.cluster_utils.Cluster`` of nodes of one core that this process is connected to."""
    # Functions of the tests are found by their modules, also on the nodes.
    places = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ.update({**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(places)})
    import ray
    from ray._private import services
    from ray._private.node import Node
    from ray.cluster_utils import Cluster

    services.get_node = patient(services.get_node)
    Node.start_raylet = ports_known(Node.start_raylet)
    cluster = Cluster(initialize_head=True, head_node_args={**node(), "include_dashboard": False})
    try:
        for _ in range(n_nodes - 1):
            cluster.add_node(**node())
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
