"""Starting the API process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


class TestImports:
    def test_no_torch(self) -> None:
        """The API imports nothing that only workers need: it starts in a second and needs no CUDA."""
        code = (
            "import sys, api.__main__, api.keys; "
            "print(sorted({name.partition('.')[0] for name in sys.modules} "
            "& {'torch', 'torchvision', 'cellpose', 'sklearn', 'umap'}))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert "[]" == ended.stdout.strip()
