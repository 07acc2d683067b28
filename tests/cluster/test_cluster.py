"""All days of a cluster whose machines are namespaces (tests/cluster/days.py)."""

import pytest

from tests.cluster.days import measured, table
from tests.cluster.machines import why_not
from tests.hosting.conftest import NO_RAY


@pytest.mark.time_limit(300)
def test_nodes_on_machines_work_and_are_lost_and_replaced():
    reason = NO_RAY or why_not()
    if reason:
        pytest.skip(reason)
    print(table(measured()))
