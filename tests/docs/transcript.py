"""Follows the tutorial as a new user would, in an empty folder, and records the output.

``python -m tests.docs.transcript`` rewrites docs/tried.md, the samples of the tutorial and of the README, and the
pictures of all pages; it needs chromium, its driver and selenium.
"""

import os
import sys
from datetime import UTC, datetime

from tests.docs.blocks import DOCS, blocks
from tests.docs.follow import as_a_user, own_folder, rewritten, run_block

_TUTORIAL = DOCS / "tutorial.md"
_README = DOCS.parent / "README.md"

_PICTURES = {
    "transpose/eight/report.html": ("report", 1420),
    "transpose/crashed/report.html": ("crash", 1420),
    "transpose/tiles/sweep.html": ("sweep", 1480),
    "transpose/today/report.html": ("comparison", 1100),
}
_TERMINALS = {
    "terminal-run": (("callring", "+topology=chip8"), 0, ""),
    "terminal-repeats": (("callring", "+topology=chip8", "workload.repeat=2000"), 0, r"1,\d+/2,000"),
    "terminal-sweep": (("callring", "-m", "+topology=chip1,chip2,chip8", "workload.sizes.tile=1,8,64"), 0, ""),
    "terminal-crash": (("callring",), 5, ""),
}
"""The pictures of the terminal: the command, its exit code, and a pattern of the text at which the picture is taken."""
_HEAD = """# Tried: the tutorial, as a new user

The output of the [tutorial](tutorial.md), followed from its beginning to its end in an empty directory with an
empty store, on {date}, with Python {python} on a machine with {cores} cores that had other work, too. Made by
`python -m tests.docs.transcript`; the tests follow the same page at every change.
"""


def main():
    """Writes the transcript and the pictures."""
    from tests.docs.pictures import take, take_live

    pictures = DOCS / "pictures"
    with own_folder("callring-tried") as folder:
        home = folder / "here"
        home.mkdir()
        lines = [_HEAD.format(date=datetime.now(UTC).date(), python=sys.version.split()[0], cores=os.cpu_count())]
        outputs = []
        lines += follow(home, folder / "store", outputs)
        take([(home / page, pictures / f"{name}.png", height) for page, (name, height) in _PICTURES.items()])
        take_live(home, as_a_user(folder / "store"), pictures / "live.png")
        lines += _terminals(home / "transpose", as_a_user(folder / "store"), pictures)
        lines += [
            f"`{page}`, in a browser:\n\n![{page}](pictures/{name}.png)\n" for page, (name, _) in _PICTURES.items()
        ]
    # Last: without a browser, no text has changed.
    for sample, printed in outputs:
        rewritten(_TUTORIAL)(sample, printed)
    (sample,) = (block for block in blocks(_README) if block.language == "text")
    rewritten(_README)(sample, outputs[0][1])
    (DOCS / "tried.md").write_text("\n".join(lines))


def _terminals(project, environment, pictures):
    """Takes the pictures of the terminal, and returns their blocks of Markdown. The last one is that of a crash."""
    from tests.docs.terminal_pictures import take_terminal

    source = project / "transpose.cpp"
    source.write_text(source.read_text().replace("tile < 2", "tile < 1"))  # the tutorial changes it for the lock
    for name, (command, code, until) in _TERMINALS.items():
        if code:
            source.write_text(source.read_text().replace("(float*)out.data", "nullptr"))
        take_terminal(command, project, environment, pictures / f"{name}.svg", code=code, until=until)
        line = " ".join(command)
        moment = ", while it runs" if until else ""
        yield f"`{line}`, on a terminal{moment}:\n\n![{line}](pictures/{name}.svg)\n"


def follow(home, store, outputs):
    """The output of the tutorial in the folder ``home``, as blocks of Markdown.

    The terminal has hundreds of columns, so that a long folder name breaks no line. Each sample of the tutorial goes to
    ``outputs``, with the output before it.
    """
    environment = as_a_user(store)
    printed = ""
    for block in blocks(_TUTORIAL):
        if block.not_run:
            continue
        if block.file:
            (home / block.file).parent.mkdir(parents=True, exist_ok=True)
            (home / block.file).write_text(block.text)
            yield f"`{block.file}` written, as in the tutorial.\n"
        elif block.language == "sh":
            printed = run_block(block, home, environment).replace(f"{home}/", "").rstrip()
            yield _session(block, printed)
        elif block.language == "text":
            outputs.append((block, printed))


def _session(block, printed):
    commands = "\n".join(f"$ {line}" for line in block.text.splitlines())
    (code,) = block.exits
    ended = f"\n(exit code {code})" if code else ""
    shown = "\n".join(part for part in (commands, printed + ended) if part)
    return f"```console\n{shown}\n```\n"


if __name__ == "__main__":
    main()
