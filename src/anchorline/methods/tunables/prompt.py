"""The context words of a caption, trained as vectors (CoOp; Zhou et al. 2022, arXiv 2109.01134)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from anchorline.encoders.text_tower import TextTower
from anchorline.errors import UserError
from anchorline.methods.tunables.base import AdaptedModel, Captioned, Pretrained, Tunable


class TunedPrompt(Captioned):
    """Class vectors of "[v1] … [vM] class.", the vectors shared by all classes."""

    def __init__(self, pretrained: Pretrained, words: str, ending: str) -> None:
        # One caption a class, "a photo of a class.", whose first words give way to the vectors.
        pretrained = replace(pretrained, templates=(f"{words} {{}}{ending}",))
        super().__init__(pretrained)
        tokenizer = pretrained.encoder.tokenizer
        alone = tokenizer([words])[0].to(pretrained.encoder.device)
        first = pretrained.tokens()[:, 0]
        same = (first == alone).all(0).long().cumprod(0).bool()
        # What starts every caption: a start-of-text token, if the tokenizer has one, and the words.
        length = int(same.sum())
        blank = tokenizer([""])[0].to(pretrained.encoder.device)
        begin = int((blank == alone).long().cumprod(0).sum())
        if length <= begin:
            raise UserError(
                f"the tokenizer of {pretrained.encoder.name} gives the words {words!r} no tokens of their "
                "own at the start of a caption; give other words with --set tunable.words=…"
            )
        self.words, self.begin, self.end = words, begin, length
        self.context = nn.Parameter(TextTower(pretrained.encoder.model).embed(alone[begin:length]).clone())

    def word_vectors(self, words: Sequence[str], template: str = "") -> Tensor | None:
        # The vectors take the place of what stands before the word: "[v1] … [vM] {} photo".
        own = f"{self.words} {template[template.index('{}') :]}" if template else ""
        return super().word_vectors(words, own)

    def encode(self, tokens: Tensor) -> Tensor:
        def change(_tokens: Tensor, embedded: Tensor) -> Tensor:
            context = self.context.expand(len(embedded), -1, -1)
            return torch.cat([embedded[:, : self.begin], context, embedded[:, self.end :]], 1)

        return TextTower(self.encoder.model)(tokens, change)


@dataclass(frozen=True)
class Prompt(Tunable):
    """Context vectors before the class name.

    Attributes:
        words: what the vectors start from; as many vectors as they have tokens.
        ending: what stands after the class, a full stop as released.
    """

    words: str = "a photo of a"
    ending: str = "."

    name = "prompt context"

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        return TunedPrompt(pretrained, self.words, self.ending)

    @classmethod
    def upgraded(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Formats 1 and 2 had no ending."""
        return {"ending": "", **fields}


choices = {"prompt": Prompt()}
