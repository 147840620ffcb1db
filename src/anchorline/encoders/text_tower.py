"""The text tower of any open_clip model, with inputs that can be changed, and no work on padding."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

# Token numbers [N, L] and their embeddings [N, L, W] -> the embeddings to use instead.
Change = Callable[[Tensor, Tensor], Tensor]


class TextTower:
    """Token numbers -> unit vectors, for CLIP, CustomTextCLIP and Hugging Face layouts."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._own = cast(nn.Module, getattr(model, "text", model))  # CLIP is its own text tower

    @property
    def embedding(self) -> nn.Embedding:
        """Θ, one row a token."""
        if hasattr(self._own, "token_embedding"):
            return cast(nn.Embedding, self._own.token_embedding)
        return cast(nn.Embedding, cast(Any, self._own).transformer.get_input_embeddings())

    @torch.no_grad()
    def embed(self, tokens: Tensor) -> Tensor:
        """What tokens look up, [..., W]: rows of Θ, which some towers scale (M2M-100 by √W)."""
        return cast(Tensor, self.embedding(tokens))

    @property
    def positions(self) -> Tensor | None:
        """b, one row a position; None for a Hugging Face tower, which hides it."""
        return cast(Tensor | None, getattr(self._own, "positional_embedding", None))

    def needed(self, tokens: Tensor) -> int:
        """How many of the L columns of [N, L] can change the result.

        A causal tower never looks beyond the end-of-text token that it pools, and a Hugging Face tower
        masks its padding.
        """
        own = cast(Any, self._own)
        if not hasattr(own, "token_embedding"):
            kept = tokens != own.config.pad_token_id
        elif own.attn_mask is None or getattr(own, "cls_emb", None) is not None:
            return tokens.shape[1]
        else:
            # CLIP keeps these under names of its own.
            pool = getattr(own, "pool_type", None) or own.text_pool_type
            if pool == "argmax":
                kept = tokens == tokens.amax(1, keepdim=True)
                kept &= kept.cumsum(1) == 1  # argmax takes the first of equals
            elif pool == "eos":
                kept = tokens == (own.eos_id if hasattr(own, "eos_id") else own.text_eos_id)
            else:
                return tokens.shape[1]
        return int(kept.any(0).nonzero().max()) + 1

    def __call__(self, tokens: Tensor, change: Change | None = None) -> Tensor:
        """int64 [N, L] -> unit vectors float32 [N, D]; `change` may replace what the tokens look up."""
        length = self.needed(tokens)
        tokens = tokens[:, :length]
        hook = change and self.embedding.register_forward_hook(
            lambda _module, arguments, output: change(arguments[0], output)
        )
        try:
            found = functional_call(self._own, self._cut(length), (), {self._argument: tokens})
        finally:
            if hook:
                hook.remove()
        if isinstance(found, dict):
            found = found["text_features"]
        elif isinstance(found, tuple):
            found = found[1] if self._own is self._model else found[0]
        return F.normalize(found.float(), dim=-1)

    @property
    def _argument(self) -> str:
        if self._own is self._model:
            return "text"
        return "text" if hasattr(self._own, "token_embedding") else "x"

    def _cut(self, length: int) -> dict[str, Tensor]:
        own = cast(Any, self._own)
        if not hasattr(own, "token_embedding") or own.attn_mask is None or length == len(own.attn_mask):
            return {}
        if getattr(own, "cls_emb", None) is not None:
            return {}
        return {
            "positional_embedding": own.positional_embedding[:length],
            "attn_mask": own.attn_mask[:length, :length],
        }


# Of a configuration of `transformers`: what changes nothing that is computed.
_ABOUT = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype")


def hugging_face_layout(model: nn.Module) -> str:
    """Configuration of a text tower of `transformers` as JSON: heads, activation and padding leave no trace
    in its weights; empty for open_clip's own towers."""
    config = getattr(getattr(model, "text", None), "config", None)
    if not hasattr(config, "to_diff_dict"):
        return ""
    given = {name: value for name, value in cast(Any, config).to_diff_dict().items() if name not in _ABOUT}
    return json.dumps(given, sort_keys=True, default=str)
