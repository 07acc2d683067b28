"""The reference is complete, and the site builds without a warning."""

import subprocess
import sys

import pytest

from pipeline.config.workload_schema import TAGS
from pipeline.lock.mismatch import LockMismatch
from runtime import errors
from tests.docs.blocks import DOCS, pages
from tests.docs.reference import regenerated


def test_every_error_is_in_the_reference():
    page = (DOCS / "reference" / "errors.md").read_text()
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, errors.CallringError) and kind is not errors.CallringError]
    missing = [kind.__name__ for kind in [*kinds, LockMismatch] if f"`{kind.code}` | `{kind.__name__}`" not in page]
    assert not missing


def test_everything_public_is_in_the_reference():
    import runtime

    page = (DOCS / "reference" / "python-api.md").read_text()
    assert [name for name in runtime.__all__ if f"### `{name}`\n" not in page] == []


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem) for page in pages() if "<!-- made" in page.read_text()]
)
def test_regenerating_a_reference_page_changes_nothing(page):
    assert page.read_text() == regenerated(page.read_text()), "python -m tests.docs.reference regenerates it"


def test_every_tag_of_a_declared_workload_is_described():
    page = (DOCS / "reference" / "workloads.md").read_text()
    assert [tag for tag in TAGS if f"| `{tag}` | " not in page] == []


def test_every_page_can_be_reached():
    index = (DOCS / "index.md").read_text().splitlines()
    listed = {DOCS / f"{line}.md" for line in index} | {DOCS / "index.md"}
    assert [page for page in pages() if page not in listed] == []


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="needs Sphinx: pip install '.[docs]'")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reference" / "configs.html").exists()
