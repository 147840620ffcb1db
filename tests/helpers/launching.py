"""Two processes at one script, on CPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def in_two_processes(script: str, *arguments: str, **environment: str) -> str:
    """What both processes print at a script of tests/helpers.

    They are started as `torchrun` does it: `accelerate launch --cpu --num_processes 2` starts one alone.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*torchrun, str(Path(__file__).with_name(script)), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
