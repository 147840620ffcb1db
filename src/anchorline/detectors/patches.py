"""Patch features of image towers, in the space of their image features, and the local part of GL-MCM."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from anchorline.encoders.encoder import as_images
from anchorline.metrics.scores import mcm
from anchorline.suites.images.rgb import Pixels

_BATCH = 64


class ImageSide(Protocol):
    """An encoder, or the image side of an adapted one."""

    @property
    def image_tower(self) -> nn.Module: ...

    @property
    def device(self) -> torch.device: ...

    def standardise(self, images: Tensor) -> Tensor:
        """Pixels [N, 3, H, W] in [0, 1] -> what the image tower wants."""


def patch_features(encoder: ImageSide, images: Tensor) -> Tensor | None:
    """Standardised images [N, 3, H, W] -> unit vectors [N, P, D], row by row of the grid, or None where the
    image tower is of a kind whose patches we do not know.

    * VisionTransformer with a class token: as in GL-MCM's code (Miyai et al. 2023, arXiv 2304.04521), after
      MaskCLIP (Zhou et al. 2022, arXiv 2112.01071). In the last block every token attends to itself alone:
      attention gives its own value, projected. Residual connections and MLP stay; then come the last
      LayerNorm and the projection. The class token is left out.
    * ModifiedResNet: the last feature map through the value and output projections of the attention pool,
      without positions, as in GL-MCM's code.
    * TimmModel with average pooling and a linear projection: each place of the last feature map, pooled on
      its own. If nothing but linear maps follows the pooling, the mean over places is the image feature
      before it is made unit.
    """
    found = _raw(encoder.image_tower, images)
    return None if found is None else F.normalize(found.float(), dim=-1)


def _raw(tower: Any, images: Tensor) -> Tensor | None:
    """[N, P, D], or None."""
    if isinstance(tower, VisionTransformer) and tower.attn_pool is None and tower.pool_type == "tok":
        return _transformer(tower, images)
    if isinstance(tower, ModifiedResNet):
        return _modified_resnet(tower, images)
    if isinstance(tower, TimmModel) and _pools_by_average(tower):
        return _timm(tower, images)
    return None


def _transformer(tower: Any, images: Tensor) -> Tensor:
    tokens = tower._embeds(images)
    itself = torch.full((tokens.shape[1],) * 2, -torch.inf, device=tokens.device).fill_diagonal_(0)
    if not tower.transformer.batch_first:
        tokens = tokens.transpose(0, 1)
    *blocks, last = tower.transformer.resblocks
    for block in blocks:
        tokens = block(tokens)
    tokens = last(tokens, attn_mask=itself)
    if not tower.transformer.batch_first:
        tokens = tokens.transpose(0, 1)
    found: Tensor = tower.ln_post(tokens[:, 1:]) @ tower.proj
    return found


def _modified_resnet(tower: Any, images: Tensor) -> Tensor:
    maps = tower.stem(images)
    for layer in (tower.layer1, tower.layer2, tower.layer3, tower.layer4):
        maps = layer(maps)
    found: Tensor = tower.attnpool.c_proj(tower.attnpool.v_proj(maps.flatten(2).transpose(1, 2)))
    return found


def _pools_by_average(tower: Any) -> bool:
    from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d

    pools = [module for module in tower.trunk.modules() if isinstance(module, SelectAdaptivePool2d)]
    averages = [pool.pool_type for pool in pools] == ["avg"]
    channels_first = getattr(tower.trunk, "output_fmt", "NCHW") == "NCHW"
    return averages and channels_first and [*tower.head._modules] == ["drop", "proj"]


def _timm(tower: Any, images: Tensor) -> Tensor:
    maps = tower.trunk.forward_features(images)
    count, width = maps.shape[:2]
    places = maps.flatten(2).transpose(1, 2).reshape(-1, width, 1, 1)
    found: Tensor = tower.head(tower.trunk.forward_head(places))
    return found.view(count, -1, found.shape[-1])


@torch.no_grad()
def local_scores(
    encoder: ImageSide, pixels: Pixels, captions: Tensor, columns: tuple[int, ...] | None = None
) -> Tensor | None:
    """The local part of GL-MCM, float64 [N]: the largest softmax probability, at temperature 1, of the
    cosines between any patch and the class captions (Miyai et al. 2023, arXiv 2304.04521).

    uint8 [N, H, W, 3] and unit vectors [C, D]; `columns`: the classes that compete. None where the image
    tower has no patch features that we know. Patches of 64 images are in memory at a time.
    """
    if columns is not None:
        captions = captions[list(columns)]
    found = [torch.empty(0, dtype=torch.float64)]
    for start in range(0, len(pixels), _BATCH):
        images = as_images(torch.from_numpy(pixels[start : start + _BATCH].copy()), encoder.device)
        patches = patch_features(encoder, encoder.standardise(images))
        if patches is None:
            return None
        cosines = patches.cpu() @ captions.T
        found.append(mcm(cosines.flatten(0, 1)).view(len(images), -1).amax(1))
    return torch.cat(found)
