"""Step 7: puts the towers together into one open_clip model, as the package ships it.

    python scripts/pretrain/export_encoder.py TOWER.safetensors TEXT.safetensors

writes configuration and weights (half precision) to src/anchorline/data/pictogram-clip, which open_clip loads
by its `local-dir:` path.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from augment import MEAN, STD
from distil_text_tower import DIM, TEXT
from embed_captions import TEMPLATES
from open_clip.model import CustomTextCLIP
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from train_image_tower import SIZE

OUT = Path(__file__).parents[2] / "src" / "anchorline" / "data" / "pictogram-clip"


def main() -> None:
    tower, text = map(Path, sys.argv[1:])
    with safe_open(tower, "pt") as stored:
        facts = stored.metadata()
    model_cfg = {
        "embed_dim": DIM,
        "vision_cfg": {
            "timm_model_name": facts["tower"],
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": SIZE,
        },
        "text_cfg": TEXT,
        "custom_text": True,
    }
    towers = {k: v for k, v in model_cfg.items() if k != "custom_text"}
    model = CustomTextCLIP(**towers)
    model.visual.load_state_dict(load_file(tower))
    model.text.load_state_dict(load_file(text))
    with torch.no_grad():
        model.logit_scale.fill_(float(facts["scale"]))
    weights = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(weights, OUT / "open_clip_model.safetensors")
    (OUT / "open_clip_model.safetensors").chmod(0o644)  # safetensors writes for the owner alone
    config = {
        "model_cfg": model_cfg,
        "preprocess_cfg": {
            "size": SIZE,
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "longest",
            "fill_color": 255,
        },
        "anchorline": {"templates": TEMPLATES},
    }
    (OUT / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    size = (OUT / "open_clip_model.safetensors").stat().st_size / 2**20
    print(f"{OUT}: {size:.1f} MiB")


if __name__ == "__main__":
    main()
