"""Model reprogramming: the encoder's weights stay, its inputs are trained (arXiv 2403.10800)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from anchorline.encoders.text_tower import TextTower
from anchorline.errors import UserError
from anchorline.methods.tunables.base import AdaptedModel, Captioned, Captions, Pretrained, Tunable
from anchorline.methods.tunables.image_program import (
    Clamp,
    Ground,
    Squash,
    canvas,
    clamp,
    frame_mask,
    perturbation,
    scaled,
)
from anchorline.methods.tunables.text_program import TextProgram


@dataclass(frozen=True)
class Programs(Tunable):
    """An image program, a text program or both. The defaults are those of the released code.

    Attributes:
        image, text: which programs there are.
        width: width of the frame, each side, as a share of the encoder's image side.
        geometry: the image fills the canvas and the frame lies over its margin ("over", as released); it is
            shrunk and the frame stands around it ("around", as the paper draws it); or its size starts at all
            of the canvas and is learnt, beneath the frame ("learnt", arXiv 2310.08381).
        ground: what the canvas shows around an image: black, grey, the encoder's mean colour, or the image's
            own edge continued.
        start_from: the frame's first values: N(0, 1), as released, or zero.
        squash: what makes pixels of the frame: tanh, as released; a sigmoid (arXiv 2211.11635); or nothing,
            and the frame is added to the normalised image as it is (arXiv 2203.17274).
        clamp: gradient of the sum beyond [0, 1]: none ("hard", as released), or "straight-through".
        frame_optimizer: Adam with the decay in its gradient, as released; AdamW; SGD with the momentum of the
            training; or SGD on the gradient over its root mean square (EVP, arXiv 2212.10556).
        frame_lr: peak learning rate of the frame; that of the text program is the training's.
        frame_decay: weight decay of the frame, towards zero.
    """

    image: bool = True
    text: bool = True
    width: float = 16 / 224
    geometry: Literal["over", "around", "learnt"] = "over"
    ground: Ground = "black"
    start_from: Literal["normal", "zero"] = "normal"
    squash: Squash = "tanh"
    clamp: Clamp = "hard"
    frame_optimizer: Literal["adam", "adamw", "sgd", "normalised-sgd"] = "adam"
    frame_lr: float = 5e-3
    frame_decay: float = 0.1

    @property
    def name(self) -> str:
        return " + ".join(["image program"] * self.image + ["text program"] * self.text) or "nothing"

    @property
    def changes_images(self) -> bool:
        return self.image

    @property
    def has_frame(self) -> bool:
        return self.image

    @property
    def starts_untouched(self) -> bool:
        return not self.image  # a frame may start from noise

    @property
    def trains(self) -> bool:
        return self.image or self.text

    def complaint(self) -> str:
        if not 0 <= self.width < 0.5:
            return f"tunable.width={self.width:g}; give a share of the side in [0, 0.5)"
        for name in ("frame_lr", "frame_decay"):
            if not (math.isfinite(value := getattr(self, name)) and value >= 0):
                return f"tunable.{name}={value:g}; give a finite number from 0"
        return ""

    @property
    def unfollowed(self) -> Mapping[str, str]:
        if self.text:
            return {"optimizer": "its text program has AdamW; of its frame give tunable.frame_optimizer"}
        return {"optimizer": "give tunable.frame_optimizer", "lr": "give tunable.frame_lr"}

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        return Reprogrammed(pretrained, self)

    @classmethod
    def upgraded(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields as formats 1 and 2 called them, in today's words."""
        found = dict(fields)
        if "resize" in found:
            found["geometry"] = "over" if found.pop("resize") == 1 else "around"
            found["squash"] = "tanh" if found["squash"] else "none"
            found.pop("frame_rate")
        return found


class Reprogrammed(Captioned):
    """The untouched encoder behind its programs."""

    def __init__(self, pretrained: Pretrained, choices: Programs) -> None:
        super().__init__(pretrained)
        self.choices, self.changes_images = choices, choices.changes_images
        self.text_program: TextProgram | None = None
        self.frame: nn.Parameter | None = None
        self.scale: nn.Parameter | None = None
        if choices.text:
            self.text_program = TextProgram(
                TextTower(pretrained.encoder.model), cast(Tensor, self.tokens).flatten(0, 1)
            )
        if choices.image:
            self._add_frame(pretrained, choices)

    def _add_frame(self, pretrained: Pretrained, choices: Programs) -> None:
        encoder = pretrained.encoder
        height, width = encoder.geometry.size
        inner = (_side(height, 1 - 2 * choices.width), _side(width, 1 - 2 * choices.width))
        if 0 in inner:
            raise UserError(
                f"an image program with tunable.width={choices.width:g} leaves no image on {height} x "
                f"{width} pixels; give a smaller width"
            )
        self.resize = inner if choices.geometry == "around" else (height, width)
        if choices.geometry == "learnt":
            self.scale = nn.Parameter(torch.ones((), device=encoder.device))
        mask = frame_mask((height, width), inner)
        self.register_buffer("mask", mask.to(encoder.device), persistent=False)
        frame = torch.zeros(3, height, width)
        if choices.start_from == "normal":
            frame.normal_(generator=pretrained.generator())
        frame *= mask  # nothing is learnt under the image
        self.frame = nn.Parameter(frame.to(encoder.device))

    def features(self, images: Tensor) -> Tensor:
        return self.encoder.forward_images(self.tower_input(images))

    def tower_input(self, images: Tensor) -> Tensor:
        return super().tower_input(images) if self.frame is None else self.programmed(images)

    def programmed(self, images: Tensor) -> Tensor:
        """Pixels [N, 3, H, W] in [0, 1] -> the image tower's input behind the image program:
        Norm(clamp01(U(x) + tanh(W ⊙ M))), equation 2."""
        assert self.frame is not None
        placed = self._placed(images)
        added = perturbation(self.frame, cast(Tensor, self.mask), self.choices.squash)
        if self.choices.squash == "none":
            return self.encoder.standardise(placed) + added
        return self.encoder.standardise(clamp(placed + added, self.choices.clamp))

    def _placed(self, images: Tensor) -> Tensor:
        ground, colour = self.choices.ground, None
        if ground == "mean":
            colour = images.new_tensor(self.encoder.mean).view(3, 1, 1)
        elif ground != "edge":
            colour = images.new_full((3, 1, 1), 0.5 if ground == "grey" else 0.0)
        if self.scale is not None:
            return scaled(images, self.scale.clamp(0.1, 5), colour)
        mask = cast(Tensor, self.mask)
        return canvas(images, (mask.shape[1], mask.shape[2]), self.resize, colour)

    def encode(self, tokens: Tensor) -> Tensor:
        return TextTower(self.encoder.model)(tokens, self.text_program)

    def class_vectors(self, captions: Captions = None) -> Tensor:
        if self.text_program is None:
            return cast(Tensor, self.captions)
        return super().class_vectors(captions)

    def rows_from(self, name: str, before: AdaptedModel) -> Tensor | None:
        """Rows of the text program are found by token; new positions are at the end."""
        if name == "text_program.rows":
            ours, theirs = self._row_of_token(), cast(Reprogrammed, before)._row_of_token()
            return ours[torch.nonzero(theirs < len(before.get_parameter(name))).squeeze(1)]
        if name == "text_program.positions":
            return torch.arange(len(before.get_parameter(name)))
        return super().rows_from(name, before)

    def _row_of_token(self) -> Tensor:
        """The text program's row of each token, int64 [vocabulary], on the CPU."""
        return self.get_buffer("text_program.row_of").cpu()

    def groups(self, lr: float) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = []
        if self.text_program is not None:
            groups.append({
                "params": [self.text_program.rows, self.text_program.positions],
                "origins": list(self.text_program.origins()),
                "optimizer": "adamw-of-changes",
                "lr": lr,
            })  # fmt: skip
        if self.frame is not None:
            own: dict[str, Any] = {
                "optimizer": self.choices.frame_optimizer,
                "lr": self.choices.frame_lr,
            }
            if self.choices.frame_optimizer.startswith("adam"):
                own |= {"betas": (0.9, 0.999), "eps": 1e-8}
            groups.append({"params": [self.frame], "weight_decay": self.choices.frame_decay, **own})
        if self.scale is not None:
            groups.append({"params": [self.scale], "weight_decay": 0.0, "optimizer": "adam", "lr": _SCALE_LR})
        return groups


_SCALE_LR = 1e-2  # of the image's learnt size, a share of the side; Adam moves it by so much a step at most


def _side(pixels: int, share: float) -> int:
    return round(pixels * share)


choices = {"programs": Programs()}
