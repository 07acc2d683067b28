"""The documentation is correct: every page is followed from its beginning to its end, in an empty folder."""

import pytest

from tests.docs.blocks import DOCS, blocks, pages
from tests.docs.follow import as_a_user, follow, shape


def names(page):
    return page.relative_to(DOCS).with_suffix("").as_posix()


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def has_the_lines(block, printed):
    lines = {shape(line) for line in printed.splitlines()}
    for line in block.text.splitlines():
        assert line.strip() == "..." or shape(line) in lines, f"line {block.line}: {line!r} in\n{printed}"


@pytest.mark.parametrize("page", [pytest.param(page, id=names(page)) for page in pages()])
def test_following_a_page_prints_its_samples(page, tmp_path, store):
    follow(page, tmp_path, as_a_user(store), has_the_lines)


def test_the_sample_of_the_readme_is_from_the_run_of_the_transcript():
    tried = (DOCS / "tried.md").read_text().splitlines()
    (sample,) = (block.text for block in blocks(DOCS.parent / "README.md") if block.language == "text")
    assert [line for line in sample.splitlines() if line not in tried] == [], "python -m tests.docs.transcript makes it"
