"""Takes the pictures of the terminal in docs/pictures: SVG files with the text and the colours of a real terminal."""

import io
import re

from rich.console import Console
from rich.text import Text

from tests.pipeline.terminal import Screen, on_terminal

_COLUMNS = 110
# Rich's own template loads a font from another host. A picture of ours loads nothing: any fixed-width font will do.
_TEMPLATE = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def take_terminal(command, folder, environment, picture, *, code=0, until=""):
    """Runs ``command`` on a terminal in ``folder`` and draws the terminal into the file ``picture``.

    Args:
        code: the exit code that the command must have.
        until: the picture shows the screen when a text of this pattern appeared first; default: the final screen.
    """
    unwanted = {"COLUMNS", "NO_COLOR"}
    kept = {name: value for name, value in environment.items() if name not in unwanted}
    screen = on_terminal(command, _COLUMNS, cwd=folder, env=kept)
    assert screen.code == code, "\n".join(screen.lines)
    shown = screen if not until else _screen_when(screen.text, until)
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {' '.join(command)}", style="bold"))
    for line in shown.styled:
        console.print(Text.from_ansi(line), soft_wrap=True)
    picture.write_text(console.export_svg(title=command[0], code_format=_TEMPLATE, unique_id=picture.stem))


def _screen_when(output, pattern):
    """The screen of the first part of ``output`` that ends with a whole line in which ``pattern`` is found."""
    end = re.compile(r"[\r\n]").search(output, re.search(pattern, output).end())
    screen = Screen(_COLUMNS)
    screen.write(output[: end.start()])
    return screen
