"""`map`: shifted images on a plane, as each classifier sees them, and whether neighbours are of one class."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.features import FeatureStore, suite_features
from anchorline.engine.directories import About, Held, claim_directory
from anchorline.engine.distributed import is_main_process
from anchorline.engine.progress import Narrator, Silent
from anchorline.engine.storage import write_text
from anchorline.errors import UserError
from anchorline.experiments.maps.neighbourhoods import K, agreement, flattened
from anchorline.experiments.maps.page import write_map
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.suite import Suite

METHODS = ("zero-shot", "linear-probe", "reprogrammer", "residual-reprogrammer")  # mapped if none is named
CLASSES = 10  # at most: more colours cannot be told apart
FEWEST = K + 2  # images


@dataclass(frozen=True, eq=False)
class Mapped:
    """What `draw_map` made.

    Attributes:
        rows: as in map.csv: image (its path), set, class, method, x, y.
        scores: as in map_scores.csv, a row a method and space: method, space ("features", "logits" or "map"),
            images, k, agreement in percent, and low and high, its 95 % interval.
        how: "UMAP" or "PCA".
        page: map.html.
    """

    rows: pd.DataFrame
    scores: pd.DataFrame
    how: str
    page: Path


def claim_map(directory: Path, about: About, overwrite: bool) -> None:
    """The directory of a map: new, empty, or with a map of the same suite and encoder. Raises `UserError`."""
    ours = ("runs", "map.csv", "map_scores.csv", "map.html")
    claim_directory(directory, "map", about, ours=ours, before=_unmarked, overwrite=overwrite)


def _unmarked(directory: Path) -> Held | None:
    """A map that an earlier version has left."""
    try:
        columns = pd.read_csv(directory / "map.csv", nrows=0).columns
    except (OSError, ValueError):
        return None
    return ("map", {}) if list(columns) == ["image", "set", "class", "method", "x", "y"] else None


def draw_map(
    classifiers: Sequence[AdaptedClassifier],
    suite: Suite,
    store: FeatureStore,
    out: str | Path,
    *,
    images: int = 500,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> Mapped:
    """Map the same shifted images under several classifiers of one encoder; writes into `out`.

    What is mapped are the features that the classifier's last layer reads, as unit vectors, so that
    neighbours are those of the highest cosine; or, where a method trained something and yet these are the
    untouched encoder's, its logits. For the images see `shifted_sample`. Raises `UserError` for a suite with
    too few shifted images, unreadable ones, or a directory that cannot be written.
    """
    narrator, out = narrator or Silent(), Path(out)
    encoder = classifiers[0].encoder
    sample = shifted_sample(suite, images, seed)
    sample, _ = suite_features(store, encoder, sample, narrator.bar, ("train", "val", "test"))
    drawn = list(sample.shifts.values())
    labels = np.concatenate([_labels(one) for one in drawn])
    images_of = {
        "image": [one.where(i) for one in drawn for i in range(len(one))],
        "set": [one.name for one in drawn for _ in range(len(one))],
        "class": [suite.classes[label] for label in labels],
    }
    rows: list[pd.DataFrame] = []
    scores: list[dict[str, Any]] = []
    how = ""
    for classifier in classifiers:
        points, space = _space(classifier, drawn, store, narrator)
        narrator.say(f"{classifier.method.name}: mapping {len(labels)} images by their {space} …")
        flat, how = flattened(points, seed)
        name = {"method": classifier.method.name}
        rows.append(pd.DataFrame({**images_of, **name, "x": flat[:, 0], "y": flat[:, 1]}))
        for where, cloud in ((space, points), ("map", flat)):
            found = agreement(cloud, labels, seed)
            told = {"agreement": found.value, "low": found.low, "high": found.high}
            scores.append({**name, "space": where, "images": len(labels), "k": K, **told})
    mapped = Mapped(pd.concat(rows, ignore_index=True), pd.DataFrame(scores), how, out / "map.html")
    if is_main_process():
        write_text(out / "map.csv", mapped.rows.to_csv(index=False))
        write_text(out / "map_scores.csv", mapped.scores.to_csv(index=False))
        write_map(mapped.page, mapped.rows, mapped.scores, how, suite, classifiers, seed)
    return mapped


def shifted_sample(suite: Suite, images: int, seed: int) -> Suite:
    """The suite with about so many images in its shifts, balanced over the shifts and then over classes as
    far as there are images; without outlier sets.

    Of the classes those ten are taken that most shifts hold; of equals the one with more shifted images, then
    the first by name. Raises `UserError` if too few images are left.
    """
    table = pd.concat(
        [
            pd.DataFrame({"shift": name, "label": _labels(one), "index": np.arange(len(one))})
            for name, one in suite.shifts.items()
        ]
        or [pd.DataFrame(columns=["shift", "label", "index"])]
    )
    held = table.groupby("label").agg(shifts=("shift", "nunique"), images=("index", "size"))
    order = held.sort_values(["shifts", "images"], ascending=False, kind="stable")
    table = table[table.label.isin(order.index[:CLASSES])]
    given = min(len(table), images)
    if given < FEWEST:
        raise UserError(
            f"a map needs at least {FEWEST} shifted images, and here are {given}; "
            "name shifts with --shift NAME=DIR, or ask for more with --images"
        )
    # In chance order: first one image of each class, then a second, …; and so with the shifts.
    table = table.sample(frac=1, random_state=seed)
    table["turn"] = table.groupby(["shift", "label"]).cumcount()
    table = table.sort_values("turn", kind="stable")
    table["turn"] = table.groupby("shift").cumcount()
    table = table.sort_values("turn", kind="stable")[:images]
    drawn = {name: np.sort(own["index"]) for name, own in table.groupby("shift")}
    shifts = {name: one.select(drawn[name]) for name, one in suite.shifts.items() if name in drawn}
    return replace(suite, shifts=shifts, outliers={})


def _space(
    classifier: AdaptedClassifier, drawn: Sequence[ImageSet], store: FeatureStore, narrator: Narrator
) -> tuple[np.ndarray[Any, np.dtype[np.float32]], str]:
    """What is mapped, float32 [N, D], and its name."""
    every = [classifier.views(store, one, narrator.bar(one.name)) for one in drawn]
    views = dataclasses.replace(
        every[0],
        adapted=torch.cat([one.adapted for one in every]),
        untouched=torch.cat([one.untouched for one in every]),
    )
    view = classifier.view(views)
    if classifier.tuned and torch.equal(view.images, views.untouched):
        return _array(view.logits), "logits"
    return _array(F.normalize(view.images, dim=1)), "features"


def _array(values: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return values.numpy()


def _labels(images: ImageSet) -> np.ndarray[Any, np.dtype[np.int64]]:
    assert images.labels is not None  # shifts have labels by construction
    return images.labels
