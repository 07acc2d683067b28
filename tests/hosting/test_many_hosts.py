"""A small run of ``python -m tests.hosting``: many hosts, many sub-graphs, and losses."""

from tests.hosting.__main__ import run


def test_many_sub_graphs_on_many_hosts_survive_losses():
    figures = run(nodes=12, sub_graphs=2000, losses=6)
    assert figures["wrong cells"] == 0
    assert figures["nodes"] == 12
