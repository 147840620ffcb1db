"""What chooses: val, or an oracle that is marked as one."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from anchorline import METHODS, Encoder, FeatureStore, Suite, UserError, compare
from anchorline.methods.settings import override
from anchorline.tasks.classification.oracle import chosen_by, learnt_suite


def test_names_tell_who_chose():
    row = METHODS["linear-probe"]
    assert chosen_by("val", row) is row
    assert chosen_by("oracle", row) == replace(row, name="linear-probe (oracle)")
    untouched = METHODS["zero-shot"]
    assert chosen_by("oracle", untouched) is untouched


@pytest.mark.parametrize("row", [METHODS["tpgm"], override(METHODS["fine-tune"], {"constraint": "tpgm"})])
def test_an_oracle_never_trains(row, colours, tiny_encoder, tmp_path, monkeypatch):
    assert chosen_by("val", row) is row
    monkeypatch.setattr(Encoder, "encode_images", None)  # before any long work
    with pytest.raises(UserError) as caught:
        compare(colours, tiny_encoder, ["linear-probe", row], tmp_path / "out", select="oracle")
    assert str(caught.value) == (
        f"{row.name} learns on the images that choose, so that --select oracle would train it on test; "
        "leave it out with --method"
    )
    assert not (tmp_path / "out").exists()


def test_test_and_all_shifts_stand_in_for_val(colours):
    assert learnt_suite("val", colours) is colours
    other = replace(colours, shifts={**colours.shifts, "again": colours.test})
    oracle = learnt_suite("oracle", other)
    assert oracle.train is colours.train
    assert oracle.test is colours.test
    sets = [colours.test, colours.shifts["dark"], colours.test]
    assert oracle.val.labels.tolist() == [label for one in sets for label in one.labels.tolist()]
    where = [one.where(i) for one in sets for i in range(len(one))]
    assert [oracle.val.where(i) for i in range(len(oracle.val))] == where


@pytest.fixture(scope="module")
def disagreeing(colour_folders, tmp_path_factory) -> Suite:
    """Test and shift call every colour by the next one's name; train and val do not."""
    root = tmp_path_factory.mktemp("disagreeing")
    for shown, name in (("blue", "green"), ("green", "red"), ("red", "blue")):
        shutil.copytree(colour_folders / "test" / shown, root / "test" / name)
        if shown != "red":
            shutil.copytree(colour_folders / "dark" / shown, root / "dark" / name)
    return Suite.from_folders(colour_folders / "train", root / "test", shifts={"dark": root / "dark"})


def cross_entropy(classifier, images, store) -> float:
    logits = torch.cat([classifier.logits(classifier.views(store, one)) for one in images])
    return float(F.cross_entropy(logits, torch.cat([torch.from_numpy(one.labels) for one in images])))


def test_an_oracle_chooses_on_test_and_shifts_and_says_so(disagreeing, tiny_encoder, tmp_path):
    store = FeatureStore(tmp_path / "cache")
    kept = tmp_path / "runs" / "zero-shot" / "seed-0" / "config.json"
    honest = compare(disagreeing, tiny_encoder, ["linear-probe"], tmp_path, store=store)
    before, page = kept.read_bytes(), honest.report.read_text(encoding="utf-8")
    oracle = compare(disagreeing, tiny_encoder, ["linear-probe"], tmp_path, store=store, select="oracle")
    assert list(oracle.classifiers) == ["zero-shot", "linear-probe (oracle)"]
    assert set(oracle.rows.method) == {"zero-shot", "linear-probe (oracle)"}
    assert set(pd.read_csv(tmp_path / "differences.csv").b) == {"linear-probe (oracle)"}

    ours, theirs = honest.classifiers["linear-probe"], oracle.classifiers["linear-probe (oracle)"]
    assert ours.chosen != theirs.chosen
    told = [disagreeing.test, *disagreeing.shifts.values()]
    assert cross_entropy(theirs, told, store) < cross_entropy(ours, told, store)
    assert cross_entropy(theirs, [disagreeing.val], store) > cross_entropy(ours, [disagreeing.val], store)
    assert ours.learnt_from["train"] == theirs.learnt_from["train"]
    assert ours.learnt_from["val"] != theirs.learnt_from["val"]

    # The untouched encoder is left alone, and the honest run beside the other one.
    assert kept.read_bytes() == before
    rows = [found.rows[found.rows.method == "zero-shot"] for found in (honest, oracle)]
    assert rows[0].drop(columns="commit").equals(rows[1].drop(columns="commit"))
    assert (tmp_path / "runs" / "linear-probe" / "seed-0" / "config.json").is_file()
    # Detectors, temperature and open-set threshold still come from val.
    assert oracle.suite.val is honest.suite.val is disagreeing.val

    warning = "chosen by an oracle, on test and all shifts: figures of such methods are too good"
    assert warning in oracle.report.read_text(encoding="utf-8")
    assert warning not in page
