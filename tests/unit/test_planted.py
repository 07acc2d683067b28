"""The planted defects that the simulator must find."""

import re

import pytest

from tests.native.planted import PAGE
from tests.native.planted_defects import DEFECTS
from tests.native.presets import NATIVE


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_can_be_planted_in_the_current_code(defect):
    assert (NATIVE / defect.file).read_text().count(defect.old) == 1


def test_the_page_lists_each_defect_as_found():
    rows = re.findall(r"^\| (.*?) \| `(.*?)` \| ([\d,]+) \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    assert [(name, file) for name, file, _ in rows] == [(defect.name, defect.file) for defect in DEFECTS]
