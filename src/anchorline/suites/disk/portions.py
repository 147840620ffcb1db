"""A portion of a data set, where no published list says which: the same on every machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from anchorline.suites.files import same_name


def portion(paths: Sequence[str], names: Sequence[str], share: float, salt: str) -> list[int]:
    """Indices of round(share * N) images, at least one of each class, ascending; stratified by `names`.

    Within a class, images are ranked by a hash of `salt` and path; the image of rank r among n has the
    position (r + 1/2) / n, the first of each class 0, and the lowest positions of all are taken. So each
    class gives its share to within one image, and a smaller portion of the same salt lies within a larger.
    """
    members: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for index, (path, name) in enumerate(zip(paths, names, strict=True)):
        lot = blake2b(f"{salt} {same_name(path)}".encode(errors="surrogateescape"), digest_size=16).digest()
        members[name].append((lot, index))
    places = [
        ((rank + 0.5) / len(drawn) if rank else 0.0, lot, index)
        for drawn in map(sorted, members.values())
        for rank, (lot, index) in enumerate(drawn)
    ]
    count = max(round(share * len(paths)), len(members))
    return sorted(index for _, _, index in sorted(places)[:count])
