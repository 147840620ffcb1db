"""Model reprogramming: the encoder's weights stay, its inputs are trained (arXiv 2403.10800)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from anchorline.encoders.text_tower import TextTower
from anchorline.errors import UserError
from anchorline.methods.tunables.base import AdaptedModel, Captioned, Pretrained, Tunable
from anchorline.methods.tunables.image_program import canvas, frame_mask, program
from anchorline.methods.tunables.text_program import TextProgram


@dataclass(frozen=True)
class Programs(Tunable):
    """An image program, a text program or both.

    Attributes:
        image, text: which programs there are.
        width: width of the frame, each side, as a share of the encoder's image side.
        resize: side of the image on the canvas as a share of the encoder's; 1 - 2·width puts the frame around
            the whole image, 1 lays it over the image's margin.
        start_from: the frame's first values: N(0, 1), as released, or zero.
        squash: tanh of the frame and clamping of the sum; False adds the frame to the normalised image as it
            is, as in visual prompting (arXiv 2203.17274).
        frame_rate: learning rate of the frame over that of the text program.
        frame_decay: weight decay of the frame, towards zero.
    """

    image: bool = True
    text: bool = True
    width: float = 0.0625
    resize: float = 0.875
    start_from: Literal["normal", "zero"] = "normal"
    squash: bool = True
    frame_rate: float = 10.0
    frame_decay: float = 0.0

    starts_untouched = False  # a frame may start from noise

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
    def trains(self) -> bool:
        return self.image or self.text

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        return Reprogrammed(pretrained, self)


class Reprogrammed(Captioned):
    """The untouched encoder behind its programs."""

    def __init__(self, pretrained: Pretrained, choices: Programs) -> None:
        super().__init__(pretrained)
        self.choices, self.changes_images = choices, choices.changes_images
        self.text_program: TextProgram | None = None
        self.frame: nn.Parameter | None = None
        if choices.text:
            self.text_program = TextProgram(
                TextTower(pretrained.encoder.model), cast(Tensor, self.tokens).flatten(0, 1)
            )
        if choices.image:
            self._add_frame(pretrained, choices)

    def _add_frame(self, pretrained: Pretrained, choices: Programs) -> None:
        height, width = pretrained.encoder.geometry.size
        inner = (_side(height, 1 - 2 * choices.width), _side(width, 1 - 2 * choices.width))
        self.resize = (_side(height, choices.resize), _side(width, choices.resize))
        if not 0 <= choices.width < 0.5 or not 0 < choices.resize <= 1 or 0 in self.resize:
            raise UserError(
                f"an image program with tunable.width={choices.width:g} and "
                f"tunable.resize={choices.resize:g} leaves no image on {height} x {width} pixels; give a "
                "width in [0, 0.5) and a resize in (0, 1]"
            )
        mask = frame_mask((height, width), inner)
        self.register_buffer("mask", mask.to(pretrained.encoder.device), persistent=False)
        frame = torch.zeros(3, height, width)
        if choices.start_from == "normal":
            frame.normal_(generator=pretrained.generator())
        frame *= mask  # nothing is learnt under the image
        self.frame = nn.Parameter(frame.to(pretrained.encoder.device))

    def features(self, images: Tensor) -> Tensor:
        return self.encoder.forward_images(self.tower_input(images))

    def tower_input(self, images: Tensor) -> Tensor:
        return super().tower_input(images) if self.frame is None else self.programmed(images)

    def programmed(self, images: Tensor) -> Tensor:
        """Pixels [N, 3, H, W] in [0, 1] -> the image tower's input behind the image program."""
        assert self.frame is not None
        mask = cast(Tensor, self.mask)
        if self.choices.squash:
            return self.encoder.standardise(program(images, self.frame, mask, self.resize))
        size = (mask.shape[1], mask.shape[2])
        return self.encoder.standardise(canvas(images, size, self.resize)) + self.frame * mask

    def encode(self, tokens: Tensor) -> Tensor:
        return TextTower(self.encoder.model)(tokens, self.text_program)

    def class_vectors(self, template: int | None = None) -> Tensor:
        if self.text_program is None:
            return cast(Tensor, self.captions)
        return super().class_vectors(template)

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
            groups.append({"params": list(self.text_program.parameters()), "lr": lr})
        if self.frame is not None:
            groups.append({
                "params": [self.frame],
                "lr": lr * self.choices.frame_rate,
                "weight_decay": self.choices.frame_decay,
            })  # fmt: skip
        return groups


def _side(pixels: int, share: float) -> int:
    return round(pixels * share)


choices = {"programs": Programs()}
