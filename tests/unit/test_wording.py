"""Words that error messages share."""

import pytest

from runtime.errors.wording import kind_of


@pytest.mark.parametrize(
    ("value", "named"), [(1, "an int"), ("", "a str"), ([], "a list"), (None, "None"), (OSError(), "an OSError")]
)
def test_a_type_is_named_with_its_article(value, named):
    assert kind_of(value) == named
