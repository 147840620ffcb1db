"""The text program: v_i = Θ[t_i] + b_i, a caption's input vectors, trained (arXiv 2403.10800, equation 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.encoders.text_tower import TextTower


class TextProgram(nn.Module):
    """Changes to the token embedding Θ and the positional embedding b, both zero at first.

    Only rows of tokens that occur in a caption exist. The released decay takes Θ and b towards zero, all of
    their rows; here those that exist, so that other words stay what they were (see `origins`).
    """

    def __init__(self, tower: TextTower, tokens: Tensor) -> None:
        super().__init__()
        occurring = torch.unique(tokens)
        width = tower.embedding.embedding_dim
        # Other tokens, of words that are no class, have the row after the last, which stays zero.
        row_of = torch.full((tower.embedding.num_embeddings,), len(occurring), device=tokens.device)
        row_of[occurring] = torch.arange(len(occurring), device=tokens.device)
        self.register_buffer("row_of", row_of, persistent=False)
        self._tower, self._occurring = tower, occurring
        self.rows = nn.Parameter(torch.zeros(len(occurring), width, device=tokens.device))
        self.positions = nn.Parameter(torch.zeros(tower.needed(tokens), width, device=tokens.device))

    def origins(self) -> tuple[Tensor, Tensor]:
        """What the trained changes are added to: rows of Θ [V, W] and of b [L, W]; zeros where a tower has no
        table b that can be read."""
        rows = self._tower.embed(self._occurring)
        positions = self._tower.positions
        if positions is None:
            return rows, torch.zeros_like(self.positions)
        return rows, positions.detach()[: len(self.positions)].clone()

    def forward(self, tokens: Tensor, embedded: Tensor) -> Tensor:
        """Token numbers [N, L], their embeddings [N, L, W] -> the programmed ones."""
        length = tokens.shape[1]
        rows = F.pad(self.rows, (0, 0, 0, 1))
        positions = F.pad(self.positions, (0, 0, 0, max(0, length - len(self.positions))))
        return embedded + rows[self.row_of[tokens]] + positions[:length]  # type: ignore[index]
