"""docs/tried.md, which shows what the tutorial printed once, shows what it prints today."""

from tests.docs.blocks import DOCS, blocks, same_shape
from tests.docs.transcript import follow


def shapes(page):
    """The sessions of a page, without their figures and without what the figures of a comparison decide."""
    for block in blocks(page):
        if block.language == "console":
            fixed = block.text.partition("\ncompared ")[0]
            yield [same_shape(line) for line in fixed.splitlines()]


def test_the_transcript_shows_what_the_tutorial_prints(tmp_path):
    home = tmp_path / "here"
    home.mkdir()
    page = tmp_path / "tried.md"
    page.write_text("\n".join(follow(home, tmp_path / "store", [])))
    assert list(shapes(DOCS / "tried.md")) == list(shapes(page)), "python -m tests.docs.transcript writes it anew"
