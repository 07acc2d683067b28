"""Which of the supported Hydras is installed: 1.3, or 1.4 and newer."""

import hydra

HYDRA = tuple(int(part) for part in hydra.__version__.split(".")[:2])
"""Major and minor version."""
