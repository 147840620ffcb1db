"""The text program: v_i = Θ[t_i] + b_i, a caption's input vectors, trained (arXiv 2403.10800, equation 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.encoders.text_tower import TextTower


class TextProgram(nn.Module):
    """Changes to the token embedding Θ and the positional embedding b, both zero at first.

    Only rows of tokens that occur in a caption exist, and since the changes are trained and not the rows,
    weight decay pulls towards the pre-trained rows.
    """

    def __init__(self, tower: TextTower, tokens: Tensor) -> None:
        super().__init__()
        occurring = torch.unique(tokens)
        width = tower.embedding.embedding_dim
        # Other tokens, of words that are no class, have the row after the last, which stays zero.
        row_of = torch.full((tower.embedding.num_embeddings,), len(occurring), device=tokens.device)
        row_of[occurring] = torch.arange(len(occurring), device=tokens.device)
        self.register_buffer("row_of", row_of, persistent=False)
        self.rows = nn.Parameter(torch.zeros(len(occurring), width, device=tokens.device))
        self.positions = nn.Parameter(torch.zeros(tower.needed(tokens), width, device=tokens.device))

    def forward(self, tokens: Tensor, embedded: Tensor) -> Tensor:
        """Token numbers [N, L], their embeddings [N, L, W] -> the programmed ones."""
        length = tokens.shape[1]
        rows = F.pad(self.rows, (0, 0, 0, 1))
        positions = F.pad(self.positions, (0, 0, 0, max(0, length - len(self.positions))))
        return embedded + rows[self.row_of[tokens]] + positions[:length]  # type: ignore[index]
