from __future__ import annotations

import subprocess
import sys

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from macule.cli.app import run
sys.exit(run(["train", "lite", "--data", "data", "--out", "out"]))
"""


def test_without_the_training_extra(tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.strip() == (
        "macule: torch is not installed: pip install -c constraints.txt 'macule[training]'."
    )
    assert not (tmp_path / "out").exists()
