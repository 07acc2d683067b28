"""The defects that are planted for the simulator to find."""

import re

import pytest

from tests.native.planted import PAGE
from tests.native.planted_defects import DEFECTS
from tests.native.presets import NATIVE


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_can_be_planted_in_the_code_as_it_is(defect):
    assert (NATIVE / defect.file).read_text().count(defect.old) == 1


def test_the_page_tells_of_each_defect_and_that_it_was_found():
    rows = re.findall(r"^\| (.*?) \| `(.*?)` \| ([\d,]+) \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    assert [(name, file) for name, file, _ in rows] == [(defect.name, defect.file) for defect in DEFECTS]
