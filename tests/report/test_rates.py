"""Declared work becomes GFLOP/s and GB/s, beside the limits of the machine."""

import dataclasses
import xml.etree.ElementTree as ET

import pytest

from pipeline.report.rates import rate_rows, rates_document
from pipeline.report.result import result_document
from pipeline.report.roofs import ModelledRoofs, Roofs, measured_roofs, modelled_roofs
from tests.report.test_result_document import RECORD

ROOFS = Roofs(100e9, 10e9, "made up")


def rows(flop=0.0, moved=0.0):
    callables = [RECORD.callables[0]._replace(flop=flop, bytes=moved), RECORD.callables[1]]
    record = dataclasses.replace(RECORD, callables=callables)
    return rate_rows(record.callables, result_document(record)["tasks"])


def test_rates_are_of_the_median_task():
    (row,) = rows(4000.0, 8000.0)
    # The tasks of the record last 3 and 1 microseconds.
    assert (row["callable"], row["seconds"], row["intensity"]) == ("add", pytest.approx(2e-6), 0.5)
    assert row["gflop_per_second"] == pytest.approx(2.0)
    assert row["gb_per_second"] == pytest.approx(4.0)


def test_undeclared_work_is_none_and_a_run_that_declares_nothing_has_no_rows():
    (row,) = rows(moved=8000.0)
    assert (row["flop"], row["gflop_per_second"], row["intensity"]) == (None, None, None)
    assert rates_document([row], ROOFS)["figure"] is None
    assert rows() == []


def test_a_mark_of_the_roofline_shows_how_near_it_is_to_the_roof_above_it():
    drawn = ET.fromstring(rates_document(rows(4000.0, 8000.0), ROOFS)["figure"]["svg"])
    (mark,) = drawn.findall("circle")
    assert mark.findtext("title") == "add: 2 GFLOP/s, 40 % of the roof above it"
    assert [line.get("class") for line in drawn.findall("polyline")] == ["ideal"]


MODEL = {"name": "example", "cores": 24, "bandwidth": 100e9, "costs": {"add": {"core_ns": 2400.0}}}


def test_a_modelled_chip_has_the_roofs_of_its_model():
    add = RECORD.callables[0]._replace(flop=4000.0, bytes=8000.0)
    assert modelled_roofs(MODEL, [add]) == (40e9, 100e9, "example")
    costs = {"add": {"core_ns": 1600.0, "core_ns_per_byte": 0.1}}
    assert modelled_roofs(MODEL | {"costs": costs}, [add]) == (40e9, 100e9, "example")
    assert modelled_roofs(MODEL | {"costs": None}, [add]) == (None, 100e9, "example")


@pytest.mark.parametrize("peak", [40e9, None])
def test_the_roofline_has_the_roof_of_a_modelled_chip_beside_that_of_this_machine(peak):
    document = rates_document(rows(4000.0, 8000.0), ROOFS, ModelledRoofs(peak, 100e9, "example"))
    drawn = ET.fromstring(document["figure"]["svg"])
    assert [line.get("class") for line in drawn.findall("polyline")] == ["ideal", "ideal other"]
    assert "one chip of the model example" in document["figure"]["legend"]
    assert ("40 GFLOP/s" in document["modelled"]) == (peak is not None)


def test_a_machine_has_roofs():
    assert min(measured_roofs()[:2]) > 0
