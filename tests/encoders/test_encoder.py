"""Encoders: every way to name one, what it computes, and what is said when it is not to be had."""

import copy
import io
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from huggingface_hub import constants
from open_clip import factory, pretrained
from PIL import Image
from safetensors.torch import load_file, save_file

from anchorline import Encoder, UserError, load_encoder
from anchorline.encoders.captions import GENERAL_TEMPLATES
from anchorline.suites.images.decode import decode_image
from tests.helpers.tiny import TINY

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"
TAGGED = "ViT-tiny"  # TINY under a name, as if open_clip knew it
SMALLEST = "ViT-S-32-alt"  # open_clip's smallest architecture that needs nothing else: half a second


def error(name: str) -> str:
    with pytest.raises(UserError) as caught:
        load_encoder(name, "cpu")
    message = str(caught.value)
    assert "\n" not in message
    return message


def image(size: tuple[int, int] = (50, 41)) -> Image.Image:
    """Smooth colours and some noise, not square."""
    noise = np.random.default_rng(7).normal(0, 20, (size[1], size[0], 3))
    ramp = np.linspace(0, 255, size[0])[None, :, None] * [1, 0.5, 0] + [0, 60, 200]
    return Image.fromarray((ramp + noise).clip(0, 255).astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def local(directory: Path, model_cfg: dict, **config: object) -> str:
    """An encoder with random weights in a directory, as open_clip writes one; its name."""
    directory.mkdir()
    torch.manual_seed(2)
    layout = {k: v for k, v in model_cfg.items() if k != "custom_text"}
    kind = open_clip.CustomTextCLIP if model_cfg.get("custom_text") else open_clip.CLIP
    save_file({k: v.contiguous() for k, v in kind(**layout).state_dict().items()}, directory / WEIGHTS)
    (directory / CONFIG).write_text(json.dumps({"model_cfg": model_cfg, **config}))
    return f"local-dir:{directory}"


def assert_like_open_clip(encoder: Encoder) -> None:
    model, preprocess = open_clip.create_model_from_pretrained(encoder.name)
    with torch.inference_mode():
        theirs = model.eval().encode_image(preprocess(image())[None], normalize=True)
    ours = encoder.encode_images(decode_image(png(image()), encoder.geometry)[None])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(1))
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer(encoder.name)(["a red cat"])
        theirs = model.encode_text(tokens, normalize=True)
    torch.testing.assert_close(encoder.encode_texts(["a red cat"]), theirs, atol=1e-5, rtol=0)


@pytest.fixture
def tagged(tiny_directory, monkeypatch):
    """The tiny architecture, known to open_clip by name, with weights under two tags."""

    file = str(tiny_directory / WEIGHTS)
    tags = {"plain": {"file": file}, "quick": {"file": file, "quick_gelu": True}}
    monkeypatch.setitem(factory._MODEL_CONFIGS, TAGGED, copy.deepcopy(TINY))
    monkeypatch.setitem(pretrained._PRETRAINED, TAGGED, tags)
    return TAGGED


def test_a_local_directory(tiny_encoder, tiny_directory):
    assert tiny_encoder.name == f"local-dir:{tiny_directory}"
    assert tiny_encoder.geometry.size == (32, 32)
    assert tiny_encoder.templates == GENERAL_TEMPLATES
    assert not tiny_encoder.random
    assert not tiny_encoder.model.training
    assert tiny_encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert_like_open_clip(tiny_encoder)


@pytest.mark.parametrize(
    ("vision", "preprocess"),
    [
        (TINY["vision_cfg"], {"resize_mode": "longest", "fill_color": 200, "interpolation": "bilinear"}),
        ({"timm_model_name": "test_vit", "timm_proj": "linear", "image_size": 160}, {"mean": [0.5] * 3}),
        ({"timm_model_name": "test_convnext", "timm_proj": "linear", "image_size": 64}, {"std": [0.3] * 3}),
    ],
    ids=["own vit", "timm vit", "timm convnext"],
)
def test_the_layout_with_a_text_tower_of_its_own(tmp_path, vision, preprocess):
    config = {**TINY, "vision_cfg": vision, "custom_text": True}
    encoder = load_encoder(local(tmp_path / "e", config, preprocess_cfg=preprocess), "cpu")
    assert isinstance(encoder.model, open_clip.CustomTextCLIP)
    assert_like_open_clip(encoder)
    assert encoder.encode_classes(["a", "b", "c"], ["{}."]).shape == (3, TINY["embed_dim"])


def test_many_images_and_texts_keep_their_order_and_report_progress(tiny_encoder):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3)).astype(np.uint8)
    calls = []
    found = tiny_encoder.encode_images(pixels, lambda *call: calls.append(call))
    assert calls == [(256, 300), (300, 300)]
    torch.testing.assert_close(found[[0, 299]], tiny_encoder.encode_images(pixels[[0, 299]]))
    texts = [f"thing {i}" for i in range(300)]
    last = tiny_encoder.encode_texts(texts[299:])
    torch.testing.assert_close(tiny_encoder.encode_texts(texts)[299:], last)


def test_class_vectors_are_the_unit_mean_of_unit_captions(tiny_encoder):
    templates = ("a photo of a {}.", "itap of my {}.", "a {} in snow.")
    found = tiny_encoder.encode_classes(["polar_bear", "a {brace}"], templates)
    for row, name in zip(found, ("polar bear", "a {brace}"), strict=True):
        captions = [t.replace("{}", name) for t in templates]
        each = torch.cat([tiny_encoder.encode_texts([caption]) for caption in captions])
        torch.testing.assert_close(row, F.normalize(each.mean(0), dim=0), atol=1e-6, rtol=0)


def test_a_directory_may_bring_its_own_templates(tmp_path):
    name = local(tmp_path / "e", TINY, anchorline={"templates": ["icon of a {}", "{} drawn"]})
    assert load_encoder(name, "cpu").templates == ("icon of a {}", "{} drawn")


@pytest.mark.parametrize("own", ["a photo of a {}", ["a photo"], [3], {"a": "{}"}])
def test_templates_that_are_none_are_refused(tmp_path, own):
    name = local(tmp_path / "e", TINY, anchorline={"templates": own})
    assert "anchorline.templates" in error(name)


def test_the_hash_is_that_of_the_weights_wherever_they_lie(tiny_encoder, tiny_directory, tmp_path):
    moved = shutil.copytree(tiny_directory, tmp_path / "moved")
    assert load_encoder(f"local-dir:{moved}", "cpu").hash == tiny_encoder.hash
    weights = load_file(moved / WEIGHTS)
    weights["visual.transformer.resblocks.1.mlp.c_fc.bias"][3] += 1e-6
    save_file(weights, moved / WEIGHTS)
    assert load_encoder(f"local-dir:{moved}", "cpu").hash != tiny_encoder.hash


@pytest.mark.parametrize("change", [{"quick_gelu": True}, {"vision_cfg": {"head_width": 8}}])
def test_the_hash_is_not_of_the_weights_alone(tiny_encoder, tiny_directory, tmp_path, change):
    other = shutil.copytree(tiny_directory, tmp_path / "other")
    vision = {**TINY["vision_cfg"], **change.get("vision_cfg", {})}
    (other / CONFIG).write_text(json.dumps({"model_cfg": {**TINY, **change, "vision_cfg": vision}}))
    encoder = load_encoder(f"local-dir:{other}", "cpu")
    pixels = decode_image(png(image()), encoder.geometry)[None]
    assert not torch.allclose(encoder.encode_images(pixels), tiny_encoder.encode_images(pixels), atol=1e-4)
    assert encoder.hash != tiny_encoder.hash


def test_weights_by_tag_or_file(tagged, tiny_encoder, tiny_directory):
    for name in (f"{tagged}:plain", f"{tagged}:plain={tiny_directory / WEIGHTS}"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoder = load_encoder(name, "cpu")
        assert (encoder.name, encoder.random, encoder.hash) == (name, False, tiny_encoder.hash)


def test_a_tag_brings_the_activation_that_its_weights_were_trained_with(tagged):
    # ViT-B-32:openai is such a tag: with open_clip's default it loses points, and nothing is said.
    kinds = {type(m).__name__ for m in load_encoder(f"{tagged}:quick", "cpu").model.modules()}
    assert "QuickGELU" in kinds
    assert "GELU" not in kinds


def test_random_weights_are_loud_and_the_same_every_time():
    torch.manual_seed(5)
    expected = torch.rand(3)
    hashes = set()
    for seed in (5, 6):
        torch.manual_seed(seed)
        with pytest.warns(UserWarning, match=rf"{SMALLEST} has RANDOM weights"):
            encoder = load_encoder(SMALLEST, "cpu")
        assert encoder.random
        hashes.add(encoder.hash)
        if seed == 5:
            assert torch.equal(torch.rand(3), expected)  # the caller's random numbers stay as they were
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("name", "near"),
    [("VitB32", "ViT-B-32"), ("pictogram-clp", "pictogram-clip"), ("RN-50:openai", "RN50")],
)
def test_an_unknown_model_names_the_nearest(name, near):
    message = error(name)
    assert f"unknown encoder {name!r}" in message
    assert near in message.partition("near it: ")[2]
    assert "anchorline encoders" in message


def test_an_unknown_tag_lists_the_tags():
    message = error("RN50:openay")
    assert "RN50 has no pre-trained weights 'openay'" in message
    assert "openai, yfcc15m, cc12m" in message
    assert "laion2b_s34b_b79k" in error("ViT-B/32:nope")  # the paper's way to write it
    assert "give a file" in error(f"{SMALLEST}:openai")  # an architecture without any


def test_directories_that_are_no_encoder(tiny_directory, tmp_path):
    for name in ("local-dir:", f"local-dir:{tmp_path}", f"local-dir:{tmp_path / 'nowhere'}"):
        assert CONFIG in error(name)
    bare = shutil.copytree(tiny_directory, tmp_path / "bare")
    (bare / WEIGHTS).unlink()
    assert "could not be loaded" in error(f"local-dir:{bare}")  # never with random weights
    (bare / WEIGHTS).write_bytes(b"\x40" + (tiny_directory / WEIGHTS).read_bytes()[1:9000])
    assert "could not be loaded" in error(f"local-dir:{bare}")
    (bare / CONFIG).write_text("{")
    assert "could not be loaded" in error(f"local-dir:{bare}")


def test_weights_of_another_architecture(tagged, tmp_path):
    save_file({"visual.conv1.weight": torch.zeros(3)}, tmp_path / "w.safetensors")
    assert "could not be loaded" in error(f"{tagged}:{tmp_path / 'w.safetensors'}")


def test_an_unknown_device(tiny_directory):
    with pytest.raises(UserError, match="unknown device 'gpu'"):
        load_encoder(f"local-dir:{tiny_directory}", "gpu")


@pytest.mark.parametrize("name", ["ViT-B-32:openai", "hf-hub:nobody/nothing"])
def test_without_a_network_it_is_said_what_works(name, tmp_path, monkeypatch):

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # read when huggingface_hub is imported
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    message = error(name)
    assert f"encoder {name} could not be loaded (HF_HUB_OFFLINE is set)" in message
    works = message.partition("without a network these work:")[2]
    assert all(one in works for one in ("pictogram-clip", "local-dir:DIR", "MODEL:FILE"))


def test_in_bfloat16_by_its_name():
    bundled = load_encoder("pictogram-clip", "cpu")
    half = load_encoder("pictogram-clip@bf16", "cpu")
    assert (half.name, half.hash) == ("pictogram-clip@bf16", bundled.hash)
    assert half.preprocessing != bundled.preprocessing  # so that stored features and runs are told apart
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    ours, theirs = half.encode_images(pixels), bundled.encode_images(pixels)
    assert ours.dtype == torch.float32
    assert 1e-5 < (ours - theirs).abs().max() < 0.02


def test_features_are_those_of_a_plain_loop():
    """Channels last and batches of another size change the sixth digit at most."""
    bundled = load_encoder("pictogram-clip", "cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (300, 64, 64, 3), np.uint8)
    plain = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float() / 255
    with torch.no_grad():
        expected = bundled.model.encode_image(bundled.standardise(plain), normalize=True)
    torch.testing.assert_close(bundled.encode_images(pixels), expected, rtol=0, atol=1e-5)
