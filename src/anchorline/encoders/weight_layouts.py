"""Layouts of weights that are not open_clip's: what each is, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

_SAVE = "torch.save({}, 'weights.pt')"
# Beginnings of names, what gave them, and what names the weights without it.
_WRAPPERS = (
    ("_orig_mod.", "torch.compile", "model._orig_mod.state_dict()"),
    ("_fsdp_wrapped_module.", "FSDP", "the full state dict (torch.distributed.checkpoint.state_dict)"),
    ("_forward_module.", "Lightning's Fabric", "the state dict of the model inside"),
)
_QUANTISED = (".SCB", ".qweight", ".qzeros", ".absmax", ".weight_format", ".quant_map", "weight_scale_inv")
_HUGGING_FACE = ("vision_model.", "text_model.", "visual_projection.", "text_projection.weight")
_ADAPTER = ("lora_", "lokr_", "hada_", "ia3_l", "lora_magnitude")
_ENOUGH = 0.9  # the share of names that must be known for a layout to be called by its name


def of_containers(content: Mapping[Any, Any], file: Path) -> str:
    """What is wrong with what a file holds where a state dict is due; "": nothing."""
    if any(isinstance(value, torch.Tensor) for value in content.values()):
        return ""
    inside = {
        key: sum(isinstance(one, torch.Tensor) for one in value.values())
        for key, value in content.items()
        if isinstance(value, Mapping)
    }
    if not any(inside.values()):
        if {"state", "param_groups"} <= set(content):
            return "is the state of an optimizer and holds no weights; give the model's state dict"
        keys = ", ".join(map(repr, list(content)[:5])) or "nothing"
        return f"holds no tensors (but {keys}); give what model.state_dict() gives"
    key = max(inside, key=lambda one: inside[one])
    return (
        f'keeps its weights under the key {key!r}; write them alone with python -c "import torch; '
        + _SAVE.format(f"torch.load('{file}', map_location='cpu')[{key!r}]")
        + '" and give that'
    )


def of_names(names: Collection[str]) -> str:
    """What the names of tensors betray, whatever the model; "": nothing."""
    if not names:
        return "holds no tensors; give a file with weights"
    if any(mark in name for name in names for mark in _ADAPTER):
        return (
            "holds adapters (LoRA, as peft writes them) and not the weights themselves; merge them first "
            "(model.merge_and_unload()), and save the state dict of the open_clip model inside"
        )
    if any(name.startswith("base_model.model.") for name in names):
        return (
            "was saved through peft (base_model.model.…); save the state dict of the open_clip model inside "
            "(model.get_base_model().state_dict())"
        )
    for prefix, by, alone in _WRAPPERS:
        if any(f".{name}".find(f".{prefix}") >= 0 for name in names):
            return f"was saved through {by} (names with {prefix}…); save {alone}"
    if any(name.endswith(_QUANTISED) for name in names):
        return "holds quantised weights; give those in float32, float16 or bfloat16"
    if (
        "visual.conv1.weight" not in names
        and sum(n.startswith(_HUGGING_FACE) for n in names) > len(names) / 2
    ):
        return (
            "has the names that transformers gives (vision_model.…, text_model.…), and open_clip has others; "
            "give the same model as open_clip has it: MODEL:TAG ('anchorline encoders' lists them), "
            "hf-hub:OWNER/NAME of a repository with open_clip_config.json, or a state dict of open_clip"
        )
    return ""


def of_another_model(
    file: Path, stored: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], model: str
) -> str:
    """Why a file's tensors, by names and shapes, are not those of a model, and what to do."""
    # Some layouts have the text tower in a module of its own, and open_clip reads both.
    stored, wanted = _without_text(stored), _without_text(wanted)
    text = {name: shape for name, shape in wanted.items() if not name.startswith("visual.")}
    towers = {
        "image tower": _inside(wanted, "visual."),
        "image tower, with its name in front,": set(wanted) - set(text),
        "timm model of the image tower": _inside(wanted, "visual.trunk."),
        "text tower": text,
        "transformers model of the text tower": _inside(text, "transformer."),
    }
    likeness = {tower: _likeness(stored, names) for tower, names in towers.items()}
    nearest = max(likeness, key=lambda tower: likeness[tower])
    if likeness[nearest] > max(_ENOUGH, _likeness(stored, wanted)):
        return f"holds the {nearest} alone; give the weights of both towers, as {model} has them"
    prefix = _prefix(stored, wanted)
    if prefix and _likeness(_inside(stored, prefix), wanted) > _ENOUGH:
        return (
            f"calls its tensors {prefix}… in front of open_clip's names; take that away with "
            f"{_renamed(file, prefix)} and give the result"
        )
    known = [name for name in stored if name in wanted]
    lacking, beyond = sorted(set(wanted) - set(stored)), sorted(set(stored) - set(wanted))
    if other := next((name for name in known if stored[name] != wanted[name]), ""):
        why = (
            f"holds weights of another size: {other} is {_size(stored[other])} in it and "
            f"{_size(wanted[other])} in {model}"
        )
    else:
        why = f"has not the tensors of {model}: {len(known)} of {len(wanted)} are there"
        why += f", {lacking[0]} is missing" if lacking else ""
        why += f", {beyond[0]} belongs to something else" if beyond else ""
    return f"{why}; give the architecture that it was trained as ('anchorline encoders' lists them)"


def _renamed(file: Path, prefix: str) -> str:
    """A command that writes a file's tensors without a beginning of their names."""
    read = f"s = torch.load('{file}', map_location='cpu'); s = s.get('state_dict', s)"
    if file.suffix == ".safetensors":
        read = f"from safetensors.torch import load_file; s = load_file('{file}')"
    kept = f"{{n[{len(prefix)}:]: t for n, t in s.items() if n.startswith('{prefix}')}}"
    return f'python -c "import torch; {read}; {_SAVE.format(kept)}"'


def _without_text(names: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {name.removeprefix("text."): shape for name, shape in names.items()}


def _inside(names: Mapping[str, tuple[int, ...]], prefix: str) -> dict[str, tuple[int, ...]]:
    return {name[len(prefix) :]: shape for name, shape in names.items() if name.startswith(prefix)}


def _likeness(found: Collection[str], wanted: Collection[str]) -> float:
    """The share of all names that both have."""
    return len(set(found) & set(wanted)) / max(1, len(set(found) | set(wanted))) if wanted else 0.0


def _prefix(stored: Collection[str], wanted: Collection[str]) -> str:
    """What stands before a name that is wanted, in the first stored name that ends in one."""
    for name in stored:
        parts = name.split(".")
        for at in range(1, len(parts)):
            if ".".join(parts[at:]) in wanted:
                return ".".join(parts[:at]) + "."
    return ""


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
