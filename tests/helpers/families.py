"""Twenty-eight families of encoders in miniature: directories as open_clip writes them, random weights.

`python -m tests.helpers.families DIRECTORY` makes them all, without a network. Their towers have the options
of the real ones (open_clip's `model_configs`), and next to no width or depth. Those whose image tower is one
of `tiny_towers` are known only where that module was imported.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
import torch
import transformers
from safetensors.torch import save_file
from torch import nn

from tests.helpers import tiny_tokenizers, tiny_towers  # noqa: F401, timm then knows them
from tests.helpers.tiny import PREPARED, TINY

HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}
VISION, TEXT = TINY["vision_cfg"], TINY["text_cfg"]


@dataclass(frozen=True)
class Family:
    """One kind of encoder.

    Attributes:
        vision, text: open_clip's configuration of the towers, over that of the tiny CLIP.
        rest: of the model's configuration.
        prepare: of the preprocessing, over CLIP's.
        tokenizer: writes a tokenizer's files and gives the size of its vocabulary; None: CLIP's.
        language_model: of a vocabulary's size, the configuration of a text tower of `transformers`.
    """

    vision: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    prepare: dict[str, Any] = field(default_factory=dict)
    tokenizer: Callable[[Path], int] | None = None
    language_model: Callable[[int], transformers.PretrainedConfig] | None = None


def _timm(name: str, pool: str = "avg", proj: str | None = "linear", side: int = 32) -> dict[str, Any]:
    return {
        "timm_model_name": name,
        "timm_pool": pool,
        "timm_proj": proj,
        "image_size": side,
        "__only__": True,
    }


def _roberta(size: int, kind: type = transformers.RobertaConfig) -> transformers.PretrainedConfig:
    return kind(
        vocab_size=size, hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, initializer_range=0.2, type_vocab_size=1,
        pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip


def _xlm_roberta(size: int) -> transformers.PretrainedConfig:
    return _roberta(size, transformers.XLMRobertaConfig)


def _bert(size: int) -> transformers.PretrainedConfig:
    return transformers.BertConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, initializer_range=0.2,
    )  # fmt: skip


def _mt5(size: int) -> transformers.PretrainedConfig:
    return transformers.MT5Config(
        vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_decoder_layers=1, num_heads=2
    )


def _nllb(size: int) -> transformers.PretrainedConfig:
    return transformers.M2M100Config(
        vocab_size=size, d_model=64, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=40,
        scale_embedding=True, init_std=0.2,
    )  # fmt: skip


_DECODER = {"context_length": 24, "vocab_size": 49408, "width": 24, "heads": 2, "layers": 1}
_OWN_TEXT = {"custom_text": True}
_LANGUAGE = {"context_length": 32, "hf_pooler_type": "mean_pooler", "hf_proj_type": "mlp"}

FAMILIES: dict[str, Family] = {
    "CLIP": Family(),
    "QuickGELU": Family(rest={"quick_gelu": True}),
    "non-square": Family(vision={"image_size": [32, 48]}, prepare={"size": [32, 48]}),
    "custom text": Family(rest=_OWN_TEXT),
    "scale of one": Family(rest={"nonscalar_logit_scale": True}),
    "short context": Family(text={"context_length": 8}),
    "ModifiedResNet": Family(
        vision={"layers": [1, 1, 1, 1], "width": 8, "image_size": 64, "head_width": 32, "patch_size": None}
    ),
    "EVA02": Family(vision=_timm("tiny_eva02_clip", "token", None), rest=_OWN_TEXT),
    "ConvNeXt": Family(vision=_timm("test_convnext", "", side=64)),
    "MobileCLIP": Family(
        vision=_timm("tiny_fastvit_mci", "avg", None, side=64), text={"no_causal_mask": True}, rest=_OWN_TEXT,
        prepare={"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear"},
    ),
    "ViTamin": Family(vision=_timm("tiny_vitamin", ""), rest=_OWN_TEXT),
    "registers": Family(vision=_timm("test_vit2", side=160)),
    "EfficientNet": Family(vision=_timm("test_efficientnet", side=64)),
    "NFNet": Family(vision=_timm("test_nfnet", side=64)),
    "relative positions": Family(vision=_timm("tiny_vit_relpos_cls", "")),
    "rotary attention pool": Family(
        vision=_timm("test_efficientnet", "rot_attn", None, side=64)
    ),
    "SigLIP": Family(
        vision=_timm("test_vit3", "map", "none", side=160),
        text={
            "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
            "act_kwargs": {"approximate": "tanh"}, "tokenizer_kwargs": {"clean": "canonicalize"},
        },
        rest={**_OWN_TEXT, "init_logit_bias": -10, "embed_dim": 96},
        prepare={**HALF, "resize_mode": "squash"},
        tokenizer=lambda directory: tiny_tokenizers.t5(directory, pad="</s>"),
    ),
    "PE-Core": Family(
        vision=_timm("tiny_pe_core", "map", None), rest=_OWN_TEXT, prepare={**HALF, "resize_mode": "squash"}
    ),
    "CLIPA": Family(
        vision={"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True},
        text={"pool_type": "last", "no_causal_mask": True, "tokenizer_kwargs": {"strip_sep_token": True}},
        prepare={"interpolation": "bilinear", "resize_mode": "squash"},
        tokenizer=tiny_tokenizers.bert,
    ),
    "worldwide": Family(text={"pool_type": "eos", "eos_id": 2}, tokenizer=tiny_tokenizers.xlm_roberta),
    "CLIPS": Family(
        text={"tokenizer_mode": "clips", "pool_type": "last", "no_causal_mask": True},
        rest=_OWN_TEXT, tokenizer=tiny_tokenizers.bert,
    ),
    "RoBERTa": Family(
        text=_LANGUAGE, rest={"quick_gelu": True}, tokenizer=tiny_tokenizers.roberta, language_model=_roberta
    ),
    "XLM-R": Family(text=_LANGUAGE, tokenizer=tiny_tokenizers.xlm_roberta, language_model=_xlm_roberta),
    "BERT": Family(
        text={**_LANGUAGE, "hf_pooler_type": "cls_pooler", "hf_proj_type": "linear"},
        tokenizer=tiny_tokenizers.bert, language_model=_bert,
    ),
    "mT5": Family(text=_LANGUAGE, tokenizer=tiny_tokenizers.t5, language_model=_mt5),
    "NLLB": Family(
        text={**_LANGUAGE, "hf_pooler_type": "cls_pooler", "hf_proj_type": "linear"},
        tokenizer=tiny_tokenizers.nllb, language_model=_nllb,
    ),
    "CoCa": Family(
        vision={"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
        text={"embed_cls": True, "output_tokens": True, "context_length": 23},
        rest={**_OWN_TEXT, "multimodal_cfg": {**_DECODER, "attn_pooler_heads": 4}},
    ),
    "CoCa with RoBERTa": Family(
        vision={"output_tokens": True},
        text={**_LANGUAGE, "hf_proj_type": "linear", "output_tokens": True},
        rest={**_OWN_TEXT, "multimodal_cfg": {**_DECODER, "context_length": 32}},
        tokenizer=tiny_tokenizers.roberta, language_model=_roberta,
    ),
}  # fmt: skip


def make_family(name: str, root: Path) -> Path:
    """Writes an encoder of that family into a folder below `root`, and gives the folder."""
    family = FAMILIES[name]
    directory = root / name.replace(" ", "-")
    directory.mkdir(parents=True)
    config = _configuration(family, directory)
    torch.manual_seed(0)
    kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CLIP
    if config.pop("custom_text", False) or family.language_model:
        kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP
    model = kind(**copy.deepcopy(config))
    _trained_a_little(model)
    weights = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(weights, directory / "open_clip_model.safetensors")
    return directory


def _configuration(family: Family, directory: Path) -> dict[str, Any]:
    """Writes it as open_clip does, with the files of tokenizer and language model; what builds the model."""
    only = family.vision.get("__only__", False)
    vision = {k: v for k, v in {**({} if only else VISION), **family.vision}.items() if k != "__only__"}
    text = {**TEXT, **family.text}
    if family.tokenizer:
        size = family.tokenizer(directory)
        text |= {"hf_tokenizer_name": directory.name, "vocab_size": size}
        if family.language_model:
            family.language_model(size).save_pretrained(directory)
            text |= {"hf_model_name": str(directory), "hf_model_pretrained": False}
    config = {"embed_dim": TINY["embed_dim"], "vision_cfg": vision, "text_cfg": text, **family.rest}
    prepared = {**PREPARED, "size": vision["image_size"], **family.prepare}
    written = {"model_cfg": config, "preprocess_cfg": prepared}
    (directory / "open_clip_config.json").write_text(json.dumps(written, indent=1))
    return copy.deepcopy(config)


@torch.no_grad()
def _trained_a_little(model: nn.Module) -> None:
    """Statistics and scales that an initialisation leaves at 0 and 1 get values of their own, as training
    gives them, so that none can be lost unseen."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for name, parameter in model.named_parameters():
        if name == "text_decoder.text_projection":  # which open_clip leaves as memory was
            parameter.normal_(0, 0.1)
        elif name.endswith((".gamma", ".gain", ".bias")) and parameter.ndim == 1 and "head" not in name:
            parameter.add_(torch.randn_like(parameter) * 0.1)


if __name__ == "__main__":
    for family_name in FAMILIES:
        print(make_family(family_name, Path(sys.argv[1])))
