"""The same commands over several machines, on Ray: nothing here schedules, queues or tries again by itself."""

from earmark.distributed.connect import Cluster, cluster

__all__ = ["Cluster", "cluster"]
