"""The optimizer's step alone: AdamW, our constraints around it, and FTP as its paper writes it.

    python benchmarks/optimizer_step.py [--model ViT-B-32 RN50 lora]

On the parameter shapes of an open_clip model, or of rank-16 factors beside every matrix of ViT-B/32 ("lora",
held to zeros), float32, random gradients. Prints milliseconds a step (the best of STEPS after two to warm
up), the ratio to fused AdamW in the same run, and bytes of state a parameter, weights and gradients not
counted, as the optimizers hold it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable

import open_clip
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from anchorline.constraints import FTP, L2SP, MARSSP, SPD

STEPS, RANK = 7, 16
Named = list[tuple[str, nn.Parameter]]


def parameters_of(model: str) -> Named:
    name = "ViT-B-32" if model == "lora" else model
    made = open_clip.create_model(name)
    if model != "lora":
        return [(n, nn.Parameter(p.detach())) for n, p in made.named_parameters()]
    named: Named = []
    for n, p in made.named_parameters():
        if p.ndim == 2 and min(p.shape) >= 512 and "embedding" not in n:
            named.append((f"{n}.down", nn.Parameter(torch.randn(RANK, p.shape[1]) * 0.02)))
            named.append((f"{n}.up", nn.Parameter(torch.zeros(p.shape[0], RANK))))
    return named


class AsWritten(Optimizer):
    """AdamW and FTP's projection, one tensor at a time, by the formulas of arXiv 2310.19182 alone: two more
    copies of the model, and a look at the device for each tensor."""

    def __init__(self, parameters: Iterable[Tensor], lr: float = 1e-5, k: float = 1.0) -> None:
        super().__init__(parameters, {"lr": lr})
        self.k, self.t = k, 0

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        self.t += 1
        for p in (p for group in self.param_groups for p in group["params"]):
            s = self.state[p]
            if not s:
                s |= {"m": torch.zeros_like(p), "v": torch.zeros_like(p), "anchor": p.clone()}
                s |= {"c": torch.zeros_like(p), "radius": 1e-8, "rm": 0.0, "rv": 0.0}
            elif self.t > 1:
                slope = float((p.grad * s["c"] / self.norms(s["c"])).sum())
                slope *= self.k if slope > 0 else 1
                s["rm"] = 0.9 * s["rm"] + 0.1 * slope
                s["rv"] = 0.999 * s["rv"] + 0.001 * slope**2
                root = (s["rv"] / (1 - 0.999**self.t)) ** 0.5
                s["radius"] -= 1e-2 * s["rm"] / (1 - 0.9**self.t) / (root + 1e-8)
            s["m"].mul_(0.9).add_(p.grad, alpha=0.1)
            s["v"].mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
            step = s["m"] / (1 - 0.9**self.t) / ((s["v"] / (1 - 0.999**self.t)).sqrt() + 1e-8)
            new = p * (1 - self.param_groups[0]["lr"] * 0.01) - self.param_groups[0]["lr"] * step
            c = new - s["anchor"]
            n = self.norms(c)
            s["radius"] = min(max(s["radius"], 1e-8), float(n.max()))
            p.copy_(s["anchor"] + (s["radius"] / n).clamp(0, 1) * c)
            s["c"] = c

    @staticmethod
    def norms(c: Tensor) -> Tensor:
        return c.abs().sum(tuple(range(1, c.ndim)) if c.ndim > 1 else 0, keepdim=True) + 1e-8


def optimizers(lora: bool) -> dict[str, Callable[[Named], Optimizer]]:
    def adamw(named: Named, **how: bool) -> Optimizer:
        group = {"params": [p for _, p in named]} | ({"anchor": "zero"} if lora else {})
        return AdamW([group], lr=1e-5, **how)

    return {
        "AdamW, fused": lambda n: adamw(n, fused=True),
        "AdamW, foreach": lambda n: adamw(n, foreach=True),
        "FTP as written": lambda n: AsWritten(p for _, p in n),
        "FTP, one by one": lambda n: FTP(adamw(n, fused=True), n, foreach=False),
        "FTP": lambda n: FTP(adamw(n, fused=True), n),
        "FTP, exact": lambda n: FTP(adamw(n, fused=True), n, exact=True),
        "FTP, bf16 anchor": lambda n: FTP(adamw(n, fused=True), n, anchor_dtype=torch.bfloat16),
        "SPD": lambda n: SPD(adamw(n, fused=True), n),
        "L2-SP": lambda n: L2SP(adamw(n, fused=True), n),
        "MARS-SP": lambda n: MARSSP(adamw(n, fused=True), n),
    }


def milliseconds(optimizer: Optimizer, named: Named) -> float:
    found = []
    for _ in range(2 + STEPS):
        begun = time.perf_counter()
        optimizer.step()
        found.append(time.perf_counter() - begun)
    return 1000 * min(found[2:])


def bytes_held(optimizer: Optimizer, parameters: int) -> float:
    """Bytes a parameter of all tensors in the optimizer's state."""
    values = [value for state in optimizer.state_dict()["state"].values() for value in state.values()]
    return sum(v.nbytes for v in values if isinstance(v, Tensor)) / parameters


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=["ViT-B-32", "RN50", "lora"])
    args = parser.parse_args()
    for model in args.model:
        named = parameters_of(model)
        count = sum(p.numel() for _, p in named)
        for _, p in named:
            p.grad = torch.randn_like(p) * 1e-3
        threads = torch.get_num_threads()
        print(f"{model}: {len(named)} tensors, {count / 1e6:.1f} M parameters, {threads} threads")
        first = None
        for name, make in optimizers(model == "lora").items():
            optimizer = make(named)
            spent = milliseconds(optimizer, named)
            first = first or spent
            held = bytes_held(optimizer, count)
            print(f"  {name:<18} {spent:8.1f} ms  {spent / first:6.2f} x  {held:5.1f} bytes", flush=True)


if __name__ == "__main__":
    main()
