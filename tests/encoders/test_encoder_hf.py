"""A Hugging Face text tower under an open_clip model, from a directory, without a network."""

import json
import string
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_model

from anchorline import load_encoder
from anchorline.encoders.captions import SINGLE_TEMPLATE
from anchorline.encoders.text_tower import TextTower
from anchorline.methods.tunables import BothTowers, Pretrained, Programs, Prompt
from tests.helpers.tiny import TINY

transformers = pytest.importorskip("transformers")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "cat", "dog"]
    letters = list(string.ascii_lowercase)
    vocabulary = [*words, *letters[1:], *(f"##{letter}" for letter in letters)]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    ).save_pretrained(tmp_path)
    text = {
        "hf_model_name": str(tmp_path),
        "hf_tokenizer_name": str(tmp_path),
        "hf_proj_type": "linear",
        "hf_pooler_type": "mean_pooler",
        "context_length": 32,
    }
    model_cfg = {"embed_dim": 24, "vision_cfg": TINY["vision_cfg"], "text_cfg": text}
    torch.manual_seed(0)
    model = open_clip.model.CustomTextCLIP(24, TINY["vision_cfg"], {**text, "hf_model_pretrained": False})
    save_model(model, str(tmp_path / "open_clip_model.safetensors"))
    config = {"model_cfg": model_cfg, "preprocess_cfg": {"size": 32}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    return tmp_path


def test_it_encodes_class_names(directory):
    encoder = load_encoder(f"local-dir:{directory}", "cpu")
    vectors = encoder.encode_classes(["cat", "dog"], ["a photo of a {}"])
    assert vectors.shape == (2, 24)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2))
    assert not torch.equal(vectors[0], vectors[1])


@pytest.mark.parametrize("tunable", [Programs(width=0, start_from="zero"), Prompt(ending=""), BothTowers()])
def test_its_inputs_can_be_trained(directory, tunable):
    encoder = load_encoder(f"local-dir:{directory}", "cpu")
    classes = ("cat", "dog")
    captions = encoder.encode_classes(classes, SINGLE_TEMPLATE)
    adaptation = tunable.start(Pretrained(encoder, classes, SINGLE_TEMPLATE, captions))
    torch.testing.assert_close(adaptation.class_vectors(), captions)  # untouched so far
    vectors = adaptation.class_vectors()
    (vectors[0] @ vectors[1]).backward()
    text = [p for name, p in adaptation.named_parameters() if "frame" not in name and "visual" not in name]
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in text)


def test_padding_is_not_worked_on(directory):
    encoder = load_encoder(f"local-dir:{directory}", "cpu")
    tokens = encoder.tokenizer(["cat", "a photo of a dog"])
    tower = TextTower(encoder.model)
    assert tower.needed(tokens) == 7 < tokens.shape[1]  # [CLS], five words, [SEP]
    torch.testing.assert_close(tower(tokens), encoder.model.encode_text(tokens, normalize=True))
