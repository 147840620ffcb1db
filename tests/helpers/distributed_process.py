"""One of several processes, and what it learns of the others: distributed_process.py FOLDER."""

import json
import sys
import time
from pathlib import Path

from accelerate import PartialState

from anchorline.engine.distributed import (
    from_main_process,
    is_distributed,
    is_main_process,
    main_process_first,
    on_cpu,
)

folder = Path(sys.argv[1])
asked = []


def decide() -> dict[str, list[int]]:
    asked.append("asked")
    return {"of": [PartialState().process_index]}


with main_process_first():
    found = (folder / "written").exists()
    if is_main_process():
        time.sleep(0.3)  # the other one is there by now
        (folder / "written").touch()
decided = from_main_process(decide)
nothing = from_main_process(lambda: None)
told = {
    "processes": PartialState().num_processes,
    "distributed": is_distributed(),
    "main": is_main_process(),
    "on_cpu": on_cpu(),
    "found": found,
    "decided": decided,
    "asked": len(asked),
    "nothing": nothing,
}
(folder / f"{PartialState().process_index}.json").write_text(json.dumps(told))
PartialState().destroy_process_group()  # else threads of gloo may abort a process that ends at once
