"""The text program: v_i = Θ[t_i] + b_i, a caption's input vectors, trained (arXiv 2403.10800, equation 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anchorline.text_tower import TextTower


class TextProgram(nn.Module):
    """Changes to the token embedding Θ and the positional embedding b, both zero at first.

    Only rows of tokens that occur in a caption exist, and since the changes are trained and not the rows,
    weight decay pulls towards the pre-trained rows.
    """

    def __init__(self, tower: TextTower, tokens: Tensor) -> None:
        super().__init__()
        occurring = torch.unique(tokens)
        width = tower.embedding.embedding_dim
        row_of = torch.zeros(tower.embedding.num_embeddings, dtype=torch.long, device=tokens.device)
        row_of[occurring] = torch.arange(len(occurring), device=tokens.device)
        self.register_buffer("row_of", row_of, persistent=False)
        self.rows = nn.Parameter(torch.zeros(len(occurring), width, device=tokens.device))
        self.positions = nn.Parameter(torch.zeros(tower.needed(tokens), width, device=tokens.device))

    def forward(self, tokens: Tensor, embedded: Tensor) -> Tensor:
        """Token numbers [N, L], their embeddings [N, L, W] -> the programmed ones."""
        return embedded + self.rows[self.row_of[tokens]] + self.positions[: tokens.shape[1]]  # type: ignore[index]
