"""Every row of the table of methods on photographs; puts the figures into docs/findings.md.

    python scripts/photographs_table.py CLOTHING SETS ENCODER [--seeds 0 1 2] [--methods NAME …] [--out DIR]

CLOTHING holds the folders train, validation and test; SETS is what `photographs/make_sets.py`
wrote, ENCODER what `photographs/make_encoder.py` wrote. Killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tables.marks import ROOT, put
from tables.summary import summary

from anchorline import METHODS, Suite, compare, load_encoder
from anchorline.engine.progress import terminal

SHIFTS = ("zoomed", "grey", "elsewhere")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("clothing", "sets", "encoder", "--out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    args = parser.parse_args()
    suite = Suite.from_folders(
        args.clothing / "train",
        args.clothing / "test",
        val=args.clothing / "validation",
        shifts={name: args.sets / name for name in SHIFTS},
        outliers={"nature": args.sets / "outliers"},
    )
    encoder = load_encoder(f"local-dir:{args.encoder}")
    out = args.out or ROOT / "runs" / "photographs"
    with terminal() as narrator:
        rows = [METHODS[name] for name in args.methods]
        found = compare(suite, encoder, rows, out, seeds=args.seeds, narrator=narrator)
    if args.methods == list(METHODS):
        put(ROOT / "docs" / "findings.md", "photographs", summary(found.rows))


if __name__ == "__main__":
    main()
