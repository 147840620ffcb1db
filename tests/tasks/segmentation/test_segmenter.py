"""Segmentation: backbones, decoders, what is held, measures, training and its runs."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn
from torchmetrics.classification import MulticlassJaccardIndex

from anchorline.encoders.loading import load_encoder
from anchorline.errors import UserError
from anchorline.methods.constraints import ByFTP
from anchorline.methods.hyperparameters import Training
from anchorline.methods.settings import override
from anchorline.metrics.bootstrap import Resamples
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.segmentation import METHODS, Architecture, adapt, load, load_backbone
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.decoders import DECODERS, find_decoder
from anchorline.tasks.segmentation.iou import counted, ious, mean_iou, measured
from anchorline.tasks.segmentation.model import Segmenter, layer_of
from anchorline.tasks.segmentation.problem import Masked, Segmentation, cross_entropy, evaluation_batch
from anchorline.training.augmentation import augment
from tests.helpers.blocks import BLOCKS, SIZE, blocks
from tests.helpers.segmented import SMALL, brief


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("pictogram-clip", device="cpu")


@pytest.fixture(scope="module")
def tokens() -> Backbone:
    with pytest.warns(UserWarning, match="RANDOM"):
        return load_backbone("tu-vit_tiny_patch16_224", "none", "cpu")


@pytest.fixture(scope="module")
def suite() -> SegmentationSuite:
    shifts = {"dark": blocks("dark", 4, 3)}
    return SegmentationSuite(
        "blocks", BLOCKS, blocks("train", 16, 0), blocks("val", 6, 1), blocks("test", 6, 2), shifts
    )


# Backbones


def test_the_bundled_backbone_gives_the_features_of_the_encoder(backbone):
    encoder = load_encoder("pictogram-clip", "cpu")
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    standardised = backbone.standardise(images)
    assert torch.equal(standardised, encoder.standardise(images))
    with torch.no_grad():
        last = backbone.module(standardised)[-1]
        assert torch.equal(last, encoder.image_tower.trunk.forward_features(standardised))


def test_weights_come_from_a_file(backbone, tmp_path):
    plain = {n.removeprefix("model."): t for n, t in backbone.module.state_dict().items()}
    save_file(plain, tmp_path / "w.safetensors")
    torch.save({"state_dict": plain}, tmp_path / "w.pt")
    for file in ("w.safetensors", "w.pt"):
        assert load_backbone("tu-regnetx_004", str(tmp_path / file), "cpu").hash == backbone.hash
    save_file({"stem.conv.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"stem\.conv\.weight is missing or has another shape"):
        load_backbone("tu-regnetx_004", str(tmp_path / "other.safetensors"), "cpu")
    with pytest.raises(UserError, match="cannot read weights"):
        load_backbone("tu-regnetx_004", str(tmp_path / "none.pt"), "cpu")


def test_a_backbone_with_weights_that_are_no_numbers_is_refused(tmp_path):
    file = tmp_path / "w.safetensors"
    found = load_backbone("resnet18", "none", "cpu").module.state_dict()
    save_file(found | {"conv1.weight": found["conv1.weight"] * float("nan")}, file)
    with pytest.raises(UserError, match=r"backbone resnet18 has .* in conv1\.weight that are NaN"):
        load_backbone("resnet18", str(file), "cpu")


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("resnet51", "", "unknown encoder 'resnet51'.*backbones near it: resnet"),
        ("tu-regnetx_003", "none", "timm has no model 'regnetx_003'; near it: tu-regnetx_"),
        ("pictogram-clip", "none", "the encoder pictogram-clip brings its own"),
    ],
)
def test_what_is_no_backbone_is_explained(name, weights, said):
    with pytest.raises(UserError, match=said):
        load_backbone(name, weights, "cpu")


def test_a_tower_without_feature_maps_is_refused(tiny_directory):
    with pytest.raises(UserError, match="is no timm model"):
        load_backbone(f"local-dir:{tiny_directory}", device="cpu")


def test_a_download_that_fails_says_so(monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", fails)
    with pytest.raises(UserError, match="resnet18 could not be loaded: no route to host; without a network"):
        load_backbone("resnet18", device="cpu")


# Decoders and the segmenter


@pytest.mark.parametrize("name", [n for n, d in DECODERS.items() if "pyramid" in d.kinds])
def test_decoders_of_pyramids(name, backbone):
    check_decoder(name, backbone, 64, 96)


@pytest.mark.parametrize("name", [n for n, d in DECODERS.items() if "tokens" in d.kinds])
def test_decoders_of_tokens(name, tokens):
    check_decoder(name, tokens, 64, 32 if name == "dpt" else 48)


def check_decoder(name, backbone, height, width):
    model, same, other = (Segmenter(backbone, name, 5, width=32, seed=seed) for seed in (0, 0, 1))
    images = torch.rand(2, 3, height, width)
    with torch.no_grad():
        assert model(images).shape == (2, 5, height, width)
        assert torch.equal(model(images), same(images))
        assert not torch.equal(model(images), other(images))
        assert torch.allclose(model(images[:1]), model(images)[:1], atol=1e-5)
    # Its encoder is the pre-trained one, and the rest keeps no statistics and draws nothing.
    own = model.network.encoder.state_dict()
    assert all(torch.equal(own[n], t) for n, t in backbone.module.state_dict().items())
    rest = [m for n, m in model.network.named_modules() if not n.startswith("encoder")]
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in rest)
    model.train()
    assert not any(module.training for module in model.network.modules())


@pytest.mark.parametrize("width", [4, 32, 256])
def test_no_branch_of_deeplab_is_normalised_away(width, backbone):
    network = Segmenter(backbone, "deeplabv3plus", 3, width=width).network
    found = {}
    for name, module in network.decoder.named_modules():
        if isinstance(module, nn.GroupNorm):
            module.register_forward_hook(lambda _, __, out, name=name: found.update({name: float(out.std())}))
    with torch.no_grad():
        assert network(torch.rand(1, 3, 64, 64)).shape == (1, 3, 64, 64)
    assert len(found) > 6
    assert min(found.values()) > 0.3, found


def test_a_decoder_that_cannot_read_the_backbone_names_those_that_can(backbone, tokens):
    with pytest.raises(UserError, match="give --decoder dpt or linear"):
        find_decoder("fpn", tokens)
    with pytest.raises(UserError, match="give --decoder fpn or unet or deeplabv3plus or linear"):
        find_decoder("dpt", backbone)
    with pytest.raises(UserError, match="unknown decoder 'mask2former'"):
        find_decoder("mask2former", backbone)


def test_sizes_that_do_not_divide_are_refused(backbone, tokens):
    with pytest.raises(UserError, match="multiples of 32 pixels, not 64 x 100; give another --size"):
        Architecture(size=(64, 100)).on(backbone)
    with pytest.raises(UserError, match="multiples of 32 pixels, not 48 x 64"):
        Architecture(size=(48, 64)).on(tokens)
    assert Architecture("linear", size=(48, 64)).on(tokens)
    with pytest.raises(UserError, match="not -64 x -64"):
        Architecture(size=(-64, -64)).on(backbone)


@pytest.mark.parametrize(("decoder", "width"), [("fpn", 48), ("unet", 3), ("deeplabv3plus", 2), ("fpn", -32)])
def test_widths_that_cannot_be_built_are_refused(decoder, width, backbone):
    with pytest.raises(UserError, match=f"the decoder {decoder} has a multiple .* not {width}; .* --width"):
        Architecture(decoder, width).on(backbone)


def test_the_backbone_is_held_and_the_decoder_is_free(backbone):
    model = Segmenter(backbone, "fpn", 3, width=32)
    own, anchors = dict(model.named_parameters()), model.anchors()
    assert {n for n in own if n.startswith("network.encoder.")} == set(anchors)
    assert all(torch.equal(own[name], anchor) for name, anchor in anchors.items())
    with torch.no_grad():
        for parameter in own.values():
            parameter.add_(1)
    pretrained = dict(backbone.module.named_parameters())
    assert all(torch.equal(model.anchors()[f"network.encoder.{n}"], p) for n, p in pretrained.items())


def test_biases_and_nothing(backbone):
    biases = Segmenter(backbone, "fpn", 3, width=32, parameters=METHODS["bias"].parameters)
    assert biases.anchors()
    assert all(name.endswith("bias") for name in biases.anchors())
    assert not Segmenter(backbone, "linear", 3, width=32, parameters=()).anchors()


def test_rates_fall_by_layer(backbone, tokens):
    groups = Segmenter(backbone, "fpn", 3, width=32, layer_decay=0.5).groups(1.0)
    assert [group["lr"] for group in groups] == [0.5**5, 0.5**4, 0.5**3, 0.5**2, 0.5, 1.0]
    model = Segmenter(tokens, "linear", 3, width=32, layer_decay=0.5)
    rates = {id(p): group["lr"] for group in model.groups(1.0) for p in group["params"]}
    named = dict(model.named_parameters())
    assert len(rates) == len(named)
    first = rates[id(named["network.encoder.model.pos_embed"])]
    assert first == rates[id(named["network.encoder.model.patch_embed.proj.bias"])]
    assert rates[id(named["network.encoder.model.blocks.0.norm1.bias"])] == 2 * first
    assert rates[id(named["network.segmentation_head.bias"])] == 1


LAYERS = {
    "resnet50": "conv1.weight=stem bn1.bias=stem layer1.0.bn1.weight=stage_1 layer4.2.conv3.weight=stage_4",
    "tu-regnetx_002": "stem.conv.weight=stem s1.b1.conv1.conv.weight=stage_1 s4.b7.conv1.bn.bias=stage_4",
    "tu-convnext_tiny": "stem_0.weight=stem stem_1.bias=stem stages_0.blocks.0.gamma=stage_0 "
    "stages_3.blocks.0.gamma=stage_3",
    "mit_b0": "patch_embed1.proj.weight=stage_1 patch_embed4.norm.bias=stage_4 block1.0.norm1.weight=stage_1 "
    "norm1.bias=stage_1 block4.1.attn.q.weight=stage_4 norm4.weight=stage_4",
    "efficientnet-b0": "_conv_stem.weight=stem _bn0.bias=stem _blocks.0._bn1.bias=_blocks.0 "
    "_blocks.15._bn0.bias=_blocks.15 _conv_head.weight=head _bn1.bias=head",
    "mobilenet_v2": "features.0.0.weight=features.0 features.17.conv.3.bias=features.17",
    "densenet121": "features.conv0.weight=stem features.norm0.bias=stem features.denseblock1.x=denseblock1",
    "a vision transformer": "cls_token=stem pos_embed=stem patch_embed.proj.bias=stem norm.bias=norm "
    "blocks.11.norm1.bias=blocks.11",
}


@pytest.mark.parametrize("network", LAYERS)
def test_parameters_are_in_the_layers_of_their_network(network):
    for pair in LAYERS[network].split():
        name, layer = pair.split("=")
        assert layer_of(f"model.{name}") == layer_of(name) == layer.replace("stage_", "stage ")


def test_rows_that_would_do_nothing_they_say_are_refused(backbone, suite):
    with pytest.raises(UserError, match="fine-tune: no parameter of pictogram-clip matches 'blocks"):
        replace(METHODS["fine-tune"], parameters=("*bias", "blocks.*")).check(backbone)
    with pytest.raises(UserError, match="ftp: ftp holds weights of the backbone, and none is trained"):
        adapt(backbone, suite, replace(METHODS["ftp"], parameters=()), architecture=SMALL)
    flat = replace(backbone, module=nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)))
    with pytest.raises(UserError, match=r"layer-decay needs layers, .* leave the method out"):
        METHODS["layer-decay"].check(flat)
    for row in METHODS.values():
        row.check(backbone)


def test_without_decay_all_rates_are_one_group(backbone):
    model = Segmenter(backbone, "fpn", 3, width=32)
    (group,) = model.groups(0.1)
    assert len(group["params"]) == len(list(model.parameters()))


# Measures


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 2**31), st.floats(0, 0.5))
def test_iou_is_that_of_torchmetrics(classes, n, seed, ignored):
    rng = torch.Generator().manual_seed(seed)
    truth = torch.randint(classes, (n, 7, 5), generator=rng)
    truth.view(-1)[:classes] = torch.arange(classes)  # torchmetrics counts absent classes as it likes
    predicted = torch.randint(classes, truth.shape, generator=rng)
    hidden = torch.rand(truth.shape, generator=rng) < ignored
    hidden.view(-1)[:classes] = False
    truth[hidden] = 255
    counts = counted(predicted, truth, classes)
    assert counts.shape == (n, classes, 3)
    for average, ours in (("none", ious(counts.sum(0))), ("macro", mean_iou(counts.sum(0)))):
        theirs = MulticlassJaccardIndex(classes, average=average, ignore_index=255)(predicted, truth)
        assert torch.allclose(theirs.double(), torch.as_tensor(ours, dtype=torch.float64), atol=1e-6)


def test_as_many_images_at_once_as_their_logits_have_room():
    assert evaluation_batch(21, 128, 128) == 32
    assert evaluation_batch(60, 512, 512) == 8
    assert evaluation_batch(250, 2048, 2048) == 1


def test_a_class_that_is_not_there_has_no_iou():
    truth = torch.zeros(1, 2, 2, dtype=torch.long)
    predicted = torch.tensor([[[0, 0], [0, 2]]])
    found = ious(counted(predicted, truth, 3).sum(0))
    assert found[0] == 0.75
    assert found[1:].isnan().all()
    assert mean_iou(counted(predicted, truth, 3).sum(0)) == 0.75


def test_intervals_hold_the_value_and_are_shared():
    truth, said = blocks("t", 30, 0).decoded(64, 64)[1], blocks("t", 30, 1).decoded(64, 64)[1]
    said[said == 255] = 0
    counts = counted(torch.from_numpy(said), torch.from_numpy(truth).long(), 3)
    found = measured("test", "test", BLOCKS, counts, Resamples())
    assert [m.metric for m in found] == ["miou", "iou:ground", "iou:red", "iou:green"]
    assert all(m.low < m.value < m.high and m.n == 30 for m in found)
    assert found == measured("test", "test", BLOCKS, counts, Resamples())
    assert np.isclose(found[0].value, np.mean([m.value for m in found[1:]]))


# Training


@pytest.mark.parametrize("name", ["flip", "crop"])
def test_images_and_masks_move_alike(name):
    masks = torch.zeros(6, 64, 64, dtype=torch.uint8)
    masks[:, 10:40, 20:60] = 1
    images = (masks * 200)[..., None].expand(-1, -1, -1, 3).contiguous()
    seeds = list(range(6))
    training = Training(augmentation=name)
    moved, truth = augment(images, training, seeds), augment(masks, training, seeds)
    assert set(truth.unique().tolist()) <= {0, 1}
    assert not torch.equal(truth, masks)
    assert ((moved[..., 0] > 100) == truth.bool()).float().mean() > 0.97
    assert torch.equal(augment(masks[3:], training, seeds[3:]), truth[3:])  # each by its own seed
    assert torch.equal(augment(masks, Training(), seeds), masks)


def test_masks_of_which_nothing_counts_are_refused(backbone, suite):
    images = suite.val.source
    blank = replace(suite.val, source=replace(images, masks=np.full_like(images.masks, 255)))
    with pytest.raises(UserError, match="no pixel of val has a class"):
        adapt(backbone, replace(suite, val=blank), brief("fine-tune"), architecture=SMALL)


def test_val_is_judged_as_the_rest_is_measured(backbone, suite):
    """In the precision of the training, whatever the device."""
    model = Segmenter(backbone, "linear", 3, width=32)
    data = Masked(*map(torch.from_numpy, suite.val.decoded(SIZE, SIZE)))
    full, half = (
        Segmentation(model, Training(precision=precision), data, data).validate()[1]["val_cross_entropy"]
        for precision in ("float32", "bf16")
    )
    assert full != half
    assert np.isclose(full, half, rtol=0.05)


def test_labels_move_as_their_images(backbone, suite):
    learn = Masked(*map(torch.from_numpy, suite.train.decoded(SIZE, SIZE)))
    problem = Segmentation(
        Segmenter(backbone, "linear", 3, width=32), Training(augmentation="crop"), learn, learn
    )
    chosen = torch.tensor([3, 1, 7])
    for seeds in ([5, 6, 7], [8, 9, 10]):
        (images,), truth = problem.batch(chosen, seeds, 0, slice(None)), problem.labels(chosen, seeds, 0)
        red = (images[:, 0] > 0.75) & (images[:, 1] < 0.2)
        inside = truth != 255
        assert ((truth == 1) == red)[inside].float().mean() > 0.97


def test_cross_entropy_leaves_out_what_is_ignored():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    truth = torch.randint(3, (2, 4, 4))
    truth[0, :2] = 255
    ours = cross_entropy(logits, truth)
    assert torch.isclose(ours, F.cross_entropy(logits, truth, ignore_index=255))
    nothing = cross_entropy(logits, torch.full_like(truth, 255))
    nothing.backward()
    assert nothing == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("name", METHODS)
def test_every_row_trains_what_it_says(name, backbone, suite):
    before = {n: t.clone() for n, t in backbone.module.state_dict().items()}
    row = brief(name, epochs=1)
    adapted = adapt(backbone, suite, row, architecture=SMALL)
    fresh = Segmenter(backbone, row.decoder or "fpn", 3, parameters=row.parameters, width=SMALL.width)
    moved = {n for n, t in adapted.tuned.items() if not torch.equal(t, fresh.tuned()[n])}
    assert any(not n.startswith("network.encoder.") for n in moved)
    assert any(n.startswith("network.encoder.") for n in moved) == bool(row.parameters)
    # Neither the backbone nor any statistics have changed.
    assert all(torch.equal(t, before[n]) for n, t in backbone.module.state_dict().items())
    statistics = [n for n in before if "running" in n]
    own = adapted.model.network.encoder.state_dict()
    assert statistics
    assert all(torch.equal(own[n], before[n]) for n in statistics)


def test_radii_of_nothing_leave_the_backbone_where_it_was(backbone, suite):
    held = replace(brief("ftp", epochs=1), constraint=ByFTP(radius_lr=0.0))
    pretrained = dict(backbone.module.named_parameters())
    moved = []
    for row in (held, brief("fine-tune", epochs=1)):
        tuned = adapt(backbone, suite, row, architecture=SMALL).tuned
        own = {n.removeprefix("network.encoder."): t for n, t in tuned.items() if "encoder" in n}
        moved.append(max(float((t - pretrained[n]).abs().max()) for n, t in own.items()))
    assert moved[0] < 1e-4 < 1e-3 < moved[1]


class StopError(Exception):
    pass


class Impatient:
    """A narrator whose bars interrupt at the third step."""

    def say(self, sentence: str) -> None:
        return

    def bar(self, title: str, unit: str = "images"):
        def tell(done: int, total: int) -> None:
            if unit == "steps" and done == 3:
                raise StopError

        return tell


@pytest.mark.parametrize("name", ["tpgm", "ftp"])
def test_interrupted_and_resumed_is_the_same(name, backbone, suite, tmp_path, monkeypatch):
    row = brief(name)
    whole = adapt(backbone, suite, row, architecture=SMALL)
    monkeypatch.setattr("anchorline.training.loop.KEEP_EVERY", 0.0)
    monkeypatch.setattr("anchorline.training.loop.KEEP_SHARE", 1e9)
    with pytest.raises(StopError):
        adapt(backbone, suite, row, architecture=SMALL, run=tmp_path / "run", narrator=Impatient())
    resumed = adapt(backbone, suite, row, architecture=SMALL, run=tmp_path / "run")
    assert all(torch.equal(resumed.tuned[n], t) for n, t in whole.tuned.items())


def test_a_run_gives_back_the_same_masks(backbone, suite, tmp_path, monkeypatch):
    row = brief("ftp")
    first = adapt(backbone, suite, row, architecture=SMALL, run=tmp_path / "run")
    images = torch.rand(2, 3, SIZE, SIZE)
    again = load(tmp_path / "run", device="cpu")
    assert torch.equal(first.logits(images), again.logits(images))
    assert (again.classes, again.method, again.chosen) == (BLOCKS, "ftp", first.chosen)
    monkeypatch.setattr("anchorline.tasks.segmentation.run.train", None)  # nobody trains again
    assert (
        adapt(backbone, suite, row, architecture=SMALL, run=tmp_path / "run").tuned.keys()
        == first.tuned.keys()
    )
    with pytest.raises(UserError, match="holds a finished run with other settings"):
        adapt(backbone, suite, row, 1, architecture=SMALL, run=tmp_path / "run")


def test_what_is_no_run_and_other_weights_are_refused(backbone, suite, tmp_path):
    with pytest.raises(UserError, match="is not a run of segmentation"):
        load(tmp_path)
    adapt(backbone, suite, brief("linear-decoder", epochs=1), architecture=SMALL, run=tmp_path)
    module = copy.deepcopy(backbone.module)
    next(module.parameters()).data.zero_()
    with pytest.raises(UserError, match="give the weights that it was adapted from"):
        load(tmp_path, replace(backbone, module=module))


def test_val_chooses_among_the_trials(backbone, suite, tmp_path):
    row = replace(brief("linear-decoder"), search=(("training.lr", (1e-6, 1e-2)),))
    adapted = adapt(backbone, suite, row, architecture=SMALL, run=tmp_path)
    assert adapted.chosen["training.lr"] == 1e-2
    assert {p.name for p in tmp_path.glob("trial-*")} == {"trial-0", "trial-1"}
    assert not list(tmp_path.glob("trial-*/checkpoint.safetensors"))


def test_settings(backbone):
    row = override(METHODS["ftp"], {"training.lr": "1e-4", "constraint.k": "0"})
    assert (row.training.lr, row.constraint.k, row.search) == (1e-4, 0.0, ())
    with pytest.raises(UserError, match=r"fine-tune has no such field .*; it has training\.epochs"):
        override(METHODS["fine-tune"], {"constraint.k": "0"})
    with pytest.raises(UserError, match="expected a whole number"):
        override(METHODS["ftp"], {"training.epochs": "many"})
    with pytest.raises(UserError, match="from 1"):
        override(METHODS["ftp"], {"training.epochs": "0"}).check(backbone)
    assert override(METHODS["fine-tune"], {"constraint": "ftp", "constraint.k": "0"}).constraint == ByFTP(k=0)
    with pytest.raises(UserError, match="linear-decoder trains no pre-trained weights that could be held"):
        override(METHODS["linear-decoder"], {"constraint": "ftp"})
    with pytest.raises(UserError, match="tunable: fine-tune has no such field"):
        override(METHODS["fine-tune"], {"tunable": "head"})
