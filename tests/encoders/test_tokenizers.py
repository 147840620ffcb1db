"""The hash of an encoder covers what decides its tokens."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest

from anchorline import FeatureStore, UserError, load_encoder
from anchorline.encoders.tokenizers import tokenizer_identity
from tests.helpers.families import make_family

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    return make_family("BERT", tmp_path_factory.mktemp("families"))


def hash_of(directory: Path) -> str:
    return load_encoder(f"local-dir:{directory}", "cpu").hash


def edit(file: Path, change) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def swap_words(tokenizer):
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["cat"], vocabulary["dog"] = vocabulary["dog"], vocabulary["cat"]


def keep_case(tokenizer):
    tokenizer["normalizer"] = None


def swap_ends(tokenizer):
    tokenizer["post_processor"]["cls"], tokenizer["post_processor"]["sep"] = (
        tokenizer["post_processor"]["sep"], tokenizer["post_processor"]["cls"],
    )  # fmt: skip


@pytest.mark.parametrize("change", [swap_words, keep_case, swap_ends])
def test_another_tokenizer_beside_the_same_weights_is_another_encoder(bert, tmp_path, change):
    other = shutil.copytree(bert, tmp_path / "other")
    edit(other / "tokenizer.json", change)
    assert hash_of(other) != hash_of(bert)


def test_class_vectors_of_another_tokenizer_are_not_given_again(bert, tmp_path):
    other = shutil.copytree(bert, tmp_path / "other")
    edit(other / "tokenizer.json", swap_words)
    store = FeatureStore(tmp_path / "store")
    ours, theirs = (
        store.classes(load_encoder(f"local-dir:{one}", "cpu"), ["cat"], ["a {}"]) for one in (bert, other)
    )
    assert (ours.vectors - theirs.vectors).abs().max() > 1e-4


@pytest.mark.parametrize("key", ["hidden_act", "num_attention_heads", "layer_norm_eps"])
def test_what_the_text_tower_is_leaves_no_trace_in_weights_but_in_the_hash(bert, tmp_path, key):
    other = shutil.copytree(bert, tmp_path / "other")
    values = {"hidden_act": "relu", "num_attention_heads": 1, "layer_norm_eps": 0.1}
    edit(other / "config.json", lambda config: config.update({key: values[key]}))
    edit(
        other / "open_clip_config.json", lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name=str(other))
    )
    assert hash_of(other) != hash_of(bert)


def test_the_hash_is_the_same_wherever_it_lies_and_whatever_was_asked_before(bert, tmp_path):
    other = shutil.copytree(bert, tmp_path / "moved")
    edit(
        other / "open_clip_config.json", lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name=str(other))
    )
    encoder = load_encoder(f"local-dir:{bert}", "cpu")
    assert hash_of(other) == encoder.hash
    encoder.tokenizer(["a text"], context_length=5)  # which leaves its length in the tokenizer
    assert replace(encoder).hash == encoder.hash


def test_open_clips_own_tokenizer_is_known_by_what_differs(tiny_encoder):
    plain = open_clip.tokenizer.SimpleTokenizer(context_length=24)
    assert tokenizer_identity(plain, 24) == ""
    others = (
        open_clip.tokenizer.SimpleTokenizer(context_length=12),
        open_clip.tokenizer.SimpleTokenizer(context_length=24, clean="canonicalize"),
        open_clip.tokenizer.SimpleTokenizer(context_length=24, additional_special_tokens=["<x>"]),
    )
    hashes = {replace(tiny_encoder, tokenizer=one).hash for one in (plain, *others)}
    assert len(hashes) == 4
    assert replace(tiny_encoder, tokenizer=plain).hash == tiny_encoder.hash


def test_a_tokenizer_with_more_words_than_the_tower_is_refused(bert, tmp_path):
    other = shutil.copytree(bert, tmp_path / "other")
    edit(other / "tokenizer.json", lambda tokenizer: tokenizer["model"]["vocab"].update(zebra=9999))
    encoder = load_encoder(f"local-dir:{other}", "cpu")
    with pytest.raises(UserError, match="gives token 9999, and its text tower knows"):
        encoder.encode_classes(["zebra"], ["a {}"])


@pytest.mark.parametrize("family", ["BERT", "RoBERTa", "mT5", "NLLB"])
def test_a_directory_that_lacks_its_tokenizer_says_so(tmp_path, family):
    """transformers makes an empty one and says nothing."""
    directory = make_family(family, tmp_path)
    for file in directory.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(UserError, match="tokenizer"):
        load_encoder(f"local-dir:{directory}", "cpu")
