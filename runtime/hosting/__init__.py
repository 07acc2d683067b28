"""The door to other machines: how a Worker has nodes on an engine that exists (docs/explanation/beyond-one-machine.md).

``Cluster`` says which engine, and where; ``Worker.add_worker(child, on=Cluster(...))`` puts a node there.
"""

from runtime.hosting.cluster import Cluster

__all__ = ["Cluster"]
