"""How images are prepared for weights of a file: as their tags say, or not without a word."""

import copy
import json
import shutil
import warnings

import pytest
from open_clip import factory, pretrained

from anchorline import UserError, load_encoder
from tests.helpers.tiny import PREPARED, TINY

HALF = (0.5, 0.5, 0.5)
SIGLIP = {"mean": HALF, "std": HALF, "interpolation": "bicubic", "resize_mode": "squash"}
CLIP = {**PREPARED, "interpolation": "bicubic", "resize_mode": "shortest"}


@pytest.fixture
def architecture(tiny_directory, monkeypatch):
    """The tiny architecture under a name of open_clip's, with tags; a function of the tags' settings."""
    file = tiny_directory / "open_clip_model.safetensors"

    def known(**tags: dict) -> str:
        monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-tiny", copy.deepcopy(TINY))
        given = {tag: {"file": str(file), **settings} for tag, settings in tags.items()}
        monkeypatch.setitem(pretrained._PRETRAINED, "ViT-tiny", given)
        return f"ViT-tiny:{file}"

    return known


def loaded(name):
    """The encoder, and what was said of it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        encoder = load_encoder(name, "cpu")
    return encoder, [str(one.message) for one in said if one.category is UserWarning]


def test_a_file_is_prepared_as_all_tags_agree(architecture):
    name = architecture(webli=SIGLIP, other=SIGLIP)
    encoder, said = loaded(name)
    assert (encoder.mean, encoder.std, encoder.geometry.resize) == (HALF, HALF, "squash")
    assert encoder.preprocessing == loaded("ViT-tiny:webli")[0].preprocessing
    (sentence,) = said
    for part in (name, "mean (0.5, 0.5, 0.5)", "resize squash", "webli, other"):
        assert part in sentence
    assert "interpolation" not in sentence  # the same as CLIP's


def test_activations_are_taken_from_the_tags_too(architecture):
    encoder, (said,) = loaded(architecture(a={**CLIP, "quick_gelu": True}, b={**CLIP, "quick_gelu": True}))
    assert any(type(one).__name__ == "QuickGELU" for one in encoder.model.modules())
    assert "QuickGELU yes" in said


def test_nothing_is_said_where_all_tags_want_what_clip_wants(architecture):
    assert loaded(architecture(a=CLIP, b=CLIP))[1] == []


def test_where_tags_differ_a_tag_is_asked_for(architecture, tiny_directory):
    name = architecture(openai={**CLIP, "quick_gelu": True}, dfn={**SIGLIP, "std": PREPARED["std"]})
    encoder, (said,) = loaded(name)
    assert encoder.mean == tuple(PREPARED["mean"])
    assert encoder.geometry.resize == "shortest"
    for part in ("differ", "mean (0.48", "resize shortest", "QuickGELU no", "ViT-tiny:openai=/"):
        assert part in said
    assert "std" not in said  # which they have in common
    file = tiny_directory / "open_clip_model.safetensors"
    for tag, resize in (("openai", "shortest"), ("dfn", "squash")):
        named, none = loaded(f"ViT-tiny:{tag}={file}")
        assert named.geometry.resize == resize
        assert none == []
        assert any(type(one).__name__ == "QuickGELU" for one in named.model.modules()) == (tag == "openai")


def test_a_tag_before_a_file_must_be_one_and_the_file_there(architecture, tiny_directory):
    architecture(a=CLIP)
    with pytest.raises(UserError, match="no pre-trained weights 'b=/"):
        load_encoder(f"ViT-tiny:b={tiny_directory}/open_clip_model.safetensors", "cpu")
    with pytest.raises(UserError, match=r"there is no file nowhere\.pt"):
        load_encoder("ViT-tiny:a=nowhere.pt", "cpu")


def test_every_siglip_architecture_of_open_clip_has_tags_that_agree():
    """What faults.md counts: none of them is ever prepared as CLIP is."""
    from open_clip import list_models, list_pretrained_tags_by_model

    from anchorline.encoders.naming import Source
    from anchorline.encoders.preprocessing import preparation_of

    for model in list_models():
        if "SigLIP" in model:
            assert list_pretrained_tags_by_model(model)
            prepared = preparation_of(Source(f"{model}:w.pt", model, file="w.pt"))
            assert prepared.settings == {"mean": HALF, "std": HALF, "resize_mode": "squash"}
            assert len(prepared.notes) == 1


@pytest.mark.parametrize(
    ("prepared", "missing"),
    [({"size": 32}, "no mean and no std"), ({"mean": [0, 0, 0]}, "no std"), (None, "no mean")],
)
def test_a_directory_that_does_not_say_is_told_on(tiny_directory, tmp_path, prepared, missing):
    directory = shutil.copytree(tiny_directory, tmp_path / "e")
    config = {"model_cfg": TINY} | ({} if prepared is None else {"preprocess_cfg": prepared})
    (directory / "open_clip_config.json").write_text(json.dumps(config))
    (said,) = loaded(f"local-dir:{directory}")[1]
    assert missing in said
    assert loaded(f"local-dir:{tiny_directory}")[1] == []


def test_a_home_directory_is_found(tiny_directory, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_directory))
    assert load_encoder("local-dir:~", "cpu").name == "local-dir:~"
    with pytest.raises(UserError, match="holds no open_clip_config"):
        load_encoder("local-dir:~nobody-at-all/x", "cpu")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"resize_mode": "fit"}, "resize_mode 'fit'"),
        ({"interpolation": "nearest"}, "interpolation 'nearest'"),
        ({"mean": [0.5]}, r"mean \[0.5\]"),
        ({"std": [0.5, 0.0, 0.5]}, "std"),
        ({"std": "half"}, "std half"),
        ({"fill_color": [255, 255, 255]}, "fill_color"),
    ],
)
def test_a_preparation_that_cannot_be_followed(tiny_directory, tmp_path, setting, said):
    directory = shutil.copytree(tiny_directory, tmp_path / "e")
    config = {"model_cfg": TINY, "preprocess_cfg": {**PREPARED, **setting}}
    (directory / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=said):
        load_encoder(f"local-dir:{directory}", "cpu")
