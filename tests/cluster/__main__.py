"""``python -m tests.cluster``: all days of a cluster. Prints a table of figures; ``--json FILE`` writes them, too.

The environment variable CALLRING_OTHER_PYTHON names a Python of another version that has Ray, for a machine that is
refused.
"""

import json
import sys
from pathlib import Path

from tests.cluster.days import measured, table
from tests.cluster.machines import why_not

if reason := why_not():
    sys.exit(f"not run: {reason}")
figures = measured()
print(table(figures))
if "--json" in sys.argv:
    Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps(figures, indent=1))
