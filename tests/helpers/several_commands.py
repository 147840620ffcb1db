"""Commands, one after the other, in one process: several_commands.py JSON, a list of lists of arguments."""

import json
import sys

from accelerate import PartialState

from anchorline.cli import main

for arguments in json.loads(sys.argv[1]):
    main(arguments)
print(f"one of {PartialState().num_processes} processes")
