"""Builds the bundled suite `pictograms` from two npm packages.

    npm pack @iconify/json@2.2.535 react-doodle-icons@1.0.0    # unpack both
    python scripts/pictograms/doodle_icons.py REACT_DOODLE_ICONS ICONIFY
    python scripts/pictograms/build_suite.py ICONIFY

writes src/anchorline/data/pictograms.zip and ATTRIBUTION.md. Deterministic: the same packages give
the same bytes. Takes about a minute on one core.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from choosing import build
from icons import HERE
from writing import attribution, write

DATA = HERE.parents[1] / "src" / "anchorline" / "data"


def main() -> None:
    iconify = Path(sys.argv[1])
    suite = build(iconify)
    DATA.mkdir(parents=True, exist_ok=True)
    write(suite, DATA / "pictograms.zip")
    (DATA / "ATTRIBUTION.md").write_text(attribution(iconify, suite))
    for where, drawings in suite.items():
        per_class = Counter(d.label for d in drawings)
        print(json.dumps({
            "set": where, "images": len(drawings), "artists": len({d.artist for d in drawings}),
            "sets": len({d.icon.set for d in drawings}), "classes": len(per_class),
            "fewest": per_class.most_common()[-8:],
        }))  # fmt: skip


if __name__ == "__main__":
    main()
