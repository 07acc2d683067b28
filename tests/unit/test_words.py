"""Words that make a reader guess are found, also across lines, and reported with a replacement."""

import pytest

from tests.words import riddles


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("Whoever waits, works.", 1, "Whoever"),
        ("one\n# two, which nobody reads\n", 2, "nobody"),
        ("every thread is told\nof it", 1, "is told"),
        ("// measured in\n// turn with the others", 1, "in turn"),
        ("a name that no one has", 1, "no one"),
        ("what can be had by name", 1, "be had"),
        ("the parent comes to know of it", 1, "comes to know"),
        ("def kill_in_turn():", 1, "in turn"),
    ],
)
def test_a_word_that_makes_a_reader_guess_is_found(text, line, word):
    ((found, said, instead),) = riddles(text)
    assert (found, said) == (line, word)
    assert instead


@pytest.mark.parametrize(
    "text",
    [
        "the waiting thread works",
        "some body of a message",
        "no one-element tensor",
        "the run has had",
        "in turns",
        "they are told apart",
    ],
)
def test_other_words_pass(text):
    assert list(riddles(text)) == []
