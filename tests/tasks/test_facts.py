"""What is said before long work."""

from dataclasses import replace

import torch

from anchorline import load_encoder
from anchorline.tasks import facts


def test_a_cpu_that_could_be_faster_is_told_once_it_matters(colours, monkeypatch):
    bundled = load_encoder("pictogram-clip", "cpu")
    monkeypatch.setattr(facts, "multiplies_bf16", lambda: True)
    assert facts.faster(colours, bundled) == []  # seconds
    monkeypatch.setattr(facts, "_LONG", 1)
    (said,) = facts.faster(colours, bundled)
    assert "--encoder pictogram-clip@bf16" in said
    assert facts.faster(colours, replace(bundled, in_bf16=True)) == []
    assert facts.faster(colours, replace(bundled, device=torch.device("cuda"))) == []
    monkeypatch.setattr(facts, "multiplies_bf16", lambda: False)
    assert facts.faster(colours, bundled) == []
