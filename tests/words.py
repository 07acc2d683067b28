"""``python -m tests.words``: whether the words of the repository's files name what they mean, and are well spelt.

codespell checks the spelling. In addition, some words are refused because a reader has to guess what they stand for.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REFUSED = {
    r"who(m)?ever": "name it: the thread, the process, the caller",
    r"(any|every|no|some)body|(any|every|some)one|no one(?!-)": "name it: the thread, the process, the caller",
    r"who (waits|looks|submits)": "name it: the waiting thread, the caller",
    r"(is|are|was|were|be|been) had": "say how: found by its name, read from the file",
    r"(gets?|got|comes?|came) to know": "learns, notices",
    r"in turn": "interleaved, or one after the other",
    r"(is|are|was|were|be|been)( not)? told(?! apart| to)": "say who does what: the parent sends",
}
"""What to write instead, by pattern of whole words."""
_OURS = "inout,cann"
"""A direction of an argument; the toolkit that a device needs."""
_MISSPELT_ON_PURPOSE = "bandwith,chek,relaese,siez,sise,siz"
"""In tests of messages that ask whether another word was meant."""
_NOT_OURS = ("LICENSE",)
_ABOUT_WORDS = ("tests/words.py", "tests/unit/test_words.py")


def riddles(text):
    """The refused words of a text: the line's number, the word, and what to write instead."""
    # Finds words within names, too, and phrases that continue on the next line, behind the mark of a comment.
    joined = re.sub(r"(?m)^[ \t]*(//|#|\*)?[ \t]*", lambda mark: " " * len(mark[0]), text).replace("_", " ")
    for pattern, instead in REFUSED.items():
        words = pattern.replace(" ", r"\s+")
        for match in re.finditer(rf"\b({words})\b", joined, re.IGNORECASE):
            yield joined.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), instead


def main():
    """Checks every file that git knows. Returns the exit code."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = [name for name in listed.split("\0") if name and name not in _NOT_OURS and _is_text(ROOT / name)]
    found = 0
    for name in sorted(set(names).difference(_ABOUT_WORDS)):
        for line, word, instead in sorted(riddles((ROOT / name).read_text())):
            print(f"{name}:{line}: {word!r}: {instead}")
            found += 1
    tests = [name for name in names if name.startswith("tests/")]
    others = [name for name in names if not name.startswith("tests/")]
    for files, known in ((others, _OURS), (tests, f"{_OURS},{_MISSPELT_ON_PURPOSE}")):
        found += subprocess.run(["codespell", "-L", known, *files], cwd=ROOT, check=False).returncode
    return 1 if found else 0


def _is_text(path):
    return path.is_file() and b"\0" not in path.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
