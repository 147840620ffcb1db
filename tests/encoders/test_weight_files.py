"""Files that are no weights of the model asked for: each is told what it is, and what to do."""

import argparse
import copy
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from open_clip import factory, pretrained
from safetensors.torch import load_file, save_file
from torch import nn

from anchorline import UserError, load_encoder
from tests.helpers.tiny import TINY

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture(autouse=True)
def architecture(monkeypatch):
    monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-tiny", copy.deepcopy(TINY))
    monkeypatch.setitem(pretrained._PRETRAINED, "ViT-tiny", {})


@pytest.fixture(scope="module")
def weights(tiny_directory):
    return load_file(tiny_directory / WEIGHTS)


def refusal(file) -> str:
    with pytest.raises(UserError) as caught:
        load_encoder(f"ViT-tiny:{file}", "cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert str(file) in message
    assert message.count("ViT-tiny:FILE") == message.count("MODEL:FILE") == 0  # which they gave
    return message


def assert_loads(file, tiny_encoder) -> None:
    assert load_encoder(f"ViT-tiny:{file}", "cpu").hash == tiny_encoder.hash


class Model(nn.Module):
    def forward(self, x):
        return x


BYTES = {
    "empty.pt": (b"", "is empty"),
    "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
    "page.bin": (b"<!DOCTYPE html><html>", "web page"),
    "model.safetensors.index.json": (b'{"metadata": {}, "weight_map": {}}', "JSON"),
    "llm.gguf": (b"GGUF\x03" + bytes(50), "llama.cpp"),
    "keras.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "Keras"),
    "graph.onnx": (b"\x08\x07" + bytes(50), "ONNX"),
    "flax.msgpack": (b"\x82\xa6params" + bytes(50), "Flax"),
    "archive.pt": (b"\x1f\x8b\x08" + bytes(50), "gzip"),
    "noise.pt": (bytes(range(1, 200)), "cut or damaged"),
    "noise.safetensors": (bytes(range(1, 200)), "cut or damaged"),
    "model-00001-of-00003.safetensors": (bytes(50), "one part of several"),
    "stump.pt": (b"PK\x03\x04" + bytes(100), "cut or damaged"),
}


@pytest.mark.parametrize("name", BYTES)
def test_what_is_no_file_of_weights(tmp_path, name):
    content, said = BYTES[name]
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name)
    assert said in message
    assert "weights_only" not in message


def test_a_cut_file(tmp_path, weights, tiny_directory):
    torch.save(weights, tmp_path / "whole.pt")
    for whole, name in ((tmp_path / "whole.pt", "cut.pt"), (tiny_directory / WEIGHTS, "cut.safetensors")):
        (tmp_path / name).write_bytes(whole.read_bytes()[:-5000])
        assert "cut or damaged" in refusal(tmp_path / name)


def test_archives(tmp_path):
    torch.jit.save(torch.jit.script(Model()), tmp_path / "script.pt")
    message = refusal(tmp_path / "script.pt")
    assert "TorchScript" in message
    assert "state_dict()" in message
    with zipfile.ZipFile(tmp_path / "some.pt", "w") as archive:
        archive.writestr("weights/model.pt", b"x")
    assert "zip archive" in refusal(tmp_path / "some.pt")
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    assert "big_vision" in refusal(tmp_path / "arrays.npz")


def test_pickles_are_not_opened_and_nobody_is_told_to(tmp_path, weights):
    torch.save({"state_dict": weights, "args": argparse.Namespace(lr=1)}, tmp_path / "run.pt")
    torch.save(Model(), tmp_path / "model.pt")
    for file, what in (("run.pt", "argparse.Namespace"), ("model.pt", "Model")):
        message = refusal(tmp_path / file)
        assert what in message
        assert "weights_only" not in message


def test_names_that_belie_the_content(tmp_path, weights, tiny_directory):
    torch.save(weights, tmp_path / "torch.safetensors")
    assert "rename it to end in .pt" in refusal(tmp_path / "torch.safetensors")
    shutil.copy(tiny_directory / WEIGHTS, tmp_path / "safe.pt")
    assert "rename it to end in .safetensors" in refusal(tmp_path / "safe.pt")


NESTED = {
    "model": lambda w: {"model": w, "epoch": 3},
    "ema": lambda w: {"optimizer": {"state": {}}, "ema": w},
    "optimizer": lambda w: {"state": {0: {}}, "param_groups": []},
    "nothing": lambda w: {},
    "a list": lambda w: list(w.values()),
    "a tensor": lambda w: torch.zeros(3),
}


@pytest.mark.parametrize("kind", NESTED)
def test_what_torch_saved_around_the_weights(tmp_path, weights, kind):
    torch.save(NESTED[kind](weights), tmp_path / "w.pt")
    said = {
        "model": "under the key 'model'", "ema": "under the key 'ema'", "optimizer": "state of an optimizer",
        "nothing": "holds no tensors", "a list": "a list and no state dict", "a tensor": "a Tensor and no",
    }  # fmt: skip
    assert said[kind] in refusal(tmp_path / "w.pt")


def prefixed(prefix):
    return lambda w: {prefix + name: tensor for name, tensor in w.items()}


def of_transformers(w):
    shapes = ["vision_model.embeddings.class_embedding", "text_model.embeddings.position_ids", "logit_scale"]
    return {
        name: torch.zeros(2) for name in [*shapes, *(f"vision_model.encoder.layers.{i}" for i in range(9))]
    }


def tower(keep, cut=""):
    return lambda w: {n.removeprefix(cut): t.clone() for n, t in w.items() if n.startswith("visual.") == keep}


LAYOUTS = {
    "compiled": (prefixed("_orig_mod."), "torch.compile"),
    "lightning": (prefixed("model."), "calls its tensors model.… in front"),
    "peft": (prefixed("base_model.model."), "peft"),
    "lora": (lambda w: {**w, "base_model.model.visual.proj.lora_A.weight": torch.zeros(2)}, "merge"),
    "transformers": (of_transformers, "names that transformers gives"),
    "image tower": (tower(True, "visual."), "image tower alone"),
    "image tower with its name": (tower(True), "image tower, with its name in front, alone"),
    "text tower": (tower(False), "text tower alone"),
    "quantised": (lambda w: {**w, "visual.proj.SCB": torch.zeros(2)}, "quantised"),
    "integers": (lambda w: {**w, "visual.proj": w["visual.proj"].to(torch.int8)}, "integers in visual.proj"),
    "one missing": (lambda w: {n: t for n, t in w.items() if n != "ln_final.bias"}, "ln_final.bias is miss"),
    "another size": (lambda w: {**w, "text_projection": torch.zeros(24, 48)}, "24 x 48 in it and 24 x 24 in"),
    "something else": (lambda w: {"conv.weight": torch.zeros(3)}, "0 of "),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_other_layouts(tmp_path, weights, kind, ending):
    change, said = LAYOUTS[kind]
    file = tmp_path / f"w.{ending}"
    content = {name: tensor.clone() for name, tensor in change(weights).items()}
    torch.save(content, file) if ending == "pt" else save_file(content, file)
    assert said in refusal(file)


@pytest.mark.parametrize("kind", ["under a key", "lightning.ckpt", "lightning.safetensors"])
def test_the_way_out_is_a_way_out(tmp_path, weights, tiny_encoder, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    renamed = prefixed("model.")(weights)
    if kind.endswith(".safetensors"):
        save_file(renamed, kind)
    else:
        torch.save({"model": weights} if kind == "under a key" else {"state_dict": renamed}, kind)
    code = refusal(tmp_path / kind).partition('python -c "')[2].partition('"')[0]
    exec(code)
    assert_loads(tmp_path / "weights.pt", tiny_encoder)


def test_what_open_clip_reads_is_read_still(tmp_path, weights, tiny_encoder):
    for name, content in {
        "plain.pt": weights,
        "its own.pt": {"epoch": 1, "state_dict": weights, "optimizer": {"state": {}}},
        "parallel.pt": {"state_dict": prefixed("module.")(weights)},
        "half.pt": {n: t.half().float() if n == "none" else t for n, t in weights.items()},
    }.items():
        torch.save(content, tmp_path / name)
        assert_loads(tmp_path / name, tiny_encoder)


def test_positions_that_were_interpolated_are_told_of(tmp_path, weights):
    larger = {**weights, "visual.positional_embedding": torch.randn(1 + 6 * 6, 32)}
    save_file(larger, tmp_path / "larger.safetensors")
    with pytest.warns(UserWarning, match="37 positions of patches of an image.* has 17"):
        load_encoder(f"ViT-tiny:{tmp_path / 'larger.safetensors'}", "cpu")


def test_a_directory_is_read_as_carefully(tmp_path, tiny_directory, weights):
    directory = shutil.copytree(tiny_directory, tmp_path / "e")
    save_file(prefixed("_orig_mod.")(weights), directory / WEIGHTS)
    with pytest.raises(UserError, match=r"torch\.compile"):
        load_encoder(f"local-dir:{directory}", "cpu")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["visual.ln_post.bias", "token_embedding.weight", "logit_scale"])
def test_weights_that_are_no_numbers(tmp_path, weights, name, value):
    damaged = {**weights, name: weights[name].clone()}
    damaged[name].view(-1)[0] = value
    save_file(damaged, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=f"1 of .* numbers in {name} that are NaN or infinite"):
        load_encoder(f"ViT-tiny:{tmp_path / 'w.safetensors'}", "cpu")


def test_a_scale_that_is_no_logarithm(tmp_path, weights):
    save_file({**weights, "logit_scale": torch.tensor(100.0)}, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"exp\(100\)"):
        load_encoder(f"ViT-tiny:{tmp_path / 'w.safetensors'}", "cpu")


@pytest.mark.parametrize(("factor", "tensors"), [(0.0, ("proj", "text_projection")), (1e30, ("ln_",))])
def test_finite_weights_that_give_no_vectors(tiny_encoder, factor, tensors):
    model = copy.deepcopy(tiny_encoder.model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in tensors):
                parameter.mul_(factor)
    broken = replace(tiny_encoder, model=model)
    with pytest.raises(UserError, match=r"NaN or zeros.* for 2 of 2 images"):
        broken.encode_images(np.zeros((2, 32, 32, 3), np.uint8))
    with pytest.raises(UserError, match=r"NaN or zeros.* for 1 of 1 texts"):
        broken.encode_texts(["a cat"])


def test_paths_that_are_no_files(tmp_path):
    assert f"local-dir:{tmp_path}" in refusal(tmp_path)
    assert "there is no file" in refusal(tmp_path / "nowhere.pt")
    assert "there is no file" in refusal("nowhere.safetensors")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="as transformers writes it"):
        load_encoder(f"local-dir:{tmp_path}", "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="here it can be used")
def test_a_device_that_is_not_there_is_not_blamed_on_the_encoder(tiny_directory):
    with pytest.raises(UserError, match="device cuda cannot be used") as caught:
        load_encoder(f"local-dir:{tiny_directory}", "cuda")
    assert "could not be loaded" not in str(caught.value)
