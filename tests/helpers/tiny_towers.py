"""Image towers of timm in miniature, under names that timm then knows in this process.

timm has miniatures of some of its families itself (`test_vit`, `test_convnext` …); these are the others, with
the options of the models that open_clip builds on (each function says which).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from timm.layers import LayerNorm
from timm.models import register_model
from timm.models.eva import Eva
from timm.models.fastvit import FastVit, RepConditionalPosEnc
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_hybrid import HybridEmbed
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from timm.models.vitamin import GeGluMlp, MbConvStages, VitCfg, VitConvCfg
from torch import nn

_SIDE = 32
_OF_TIMM = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")


def _made(kind: type[nn.Module], options: dict[str, Any], asked: dict[str, Any]) -> nn.Module:
    asked = {name: value for name, value in asked.items() if name not in _OF_TIMM}
    model = kind(**{**options, **asked})
    model.default_cfg = model.pretrained_cfg = {"input_size": (3, _SIDE, _SIDE), "pool_size": None}
    return model


@register_model
def tiny_eva02_clip(**asked: Any) -> nn.Module:
    """eva02_base_patch16_clip_224."""
    options = {
        "img_size": _SIDE, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "qkv_fused": False,
        "mlp_ratio": 4 * 2 / 3, "swiglu_mlp": True, "scale_mlp": True, "scale_attn_inner": True,
        "use_rot_pos_emb": True, "ref_feat_shape": (4, 4), "global_pool": "token",
    }  # fmt: skip
    return _made(Eva, options, asked)


@register_model
def tiny_pe_core(**asked: Any) -> nn.Module:
    """vit_pe_core_tiny_patch16_384."""
    options = {
        "img_size": _SIDE, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 4.0,
        "global_pool": "map", "attn_type": "rope", "use_pre_transformer_norm": True, "use_rot_pos_emb": True,
        "ref_feat_shape": (4, 4), "rope_grid_offset": 1.0, "rope_grid_indexing": "xy",
        "attn_pool_num_heads": 4, "attn_pool_mlp_ratio": 4.0, "norm_layer": partial(LayerNorm, eps=1e-5),
    }  # fmt: skip
    return _made(Eva, options, asked)


@register_model
def tiny_fastvit_mci(**asked: Any) -> nn.Module:
    """fastvit_mci1, of MobileCLIP-S1."""
    options = {
        "layers": (1, 1, 1, 1), "embed_dims": (16, 16, 32, 32), "mlp_ratios": (2, 2, 2, 2),
        "se_downsamples": (False, False, True, True), "lkc_use_act": True,
        "pos_embs": (None, None, None, partial(RepConditionalPosEnc, spatial_shape=(7, 7))),
        "token_mixers": ("repmixer", "repmixer", "repmixer", "attention"),
    }  # fmt: skip
    return _made(FastVit, options, asked)


@register_model
def tiny_vitamin(**asked: Any) -> nn.Module:
    """vitamin_small_224."""
    convolutions = VitConvCfg(norm_layer="layernorm2d", norm_eps=1e-6)
    stages = VitCfg(
        embed_dim=(8, 16, 32), depths=(1, 1, 1), stem_width=8, conv_cfg=convolutions, head_type="1d"
    )
    options = {
        "img_size": _SIDE, "patch_size": 1, "embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 2.0,
        "mlp_layer": GeGluMlp, "class_token": False, "global_pool": "avg",
        "embed_layer": partial(HybridEmbed, backbone=MbConvStages(cfg=stages), proj=False),
    }  # fmt: skip
    return _made(VisionTransformer, options, asked)


@register_model
def tiny_vit_relpos_cls(**asked: Any) -> nn.Module:
    """vit_relpos_medium_patch16_cls_224."""
    options = {
        "img_size": _SIDE, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "qkv_bias": False,
        "fc_norm": False, "rel_pos_dim": 16, "class_token": True, "global_pool": "token",
    }  # fmt: skip
    return _made(VisionTransformerRelPos, options, asked)
