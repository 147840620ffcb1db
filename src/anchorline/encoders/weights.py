"""Puts the weights of a file into a model, and looks at what was put in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from anchorline.encoders.naming import Source
from anchorline.encoders.weight_files import Stored, read_layout
from anchorline.encoders.weight_layouts import of_another_model
from anchorline.errors import UserError, first_line


def load_weights(model: nn.Module, source: Source) -> tuple[str, ...]:
    """The weights of the source's file, or of the file in its directory, into the model; sentences on what
    was done to them. Raises `UserError`: what the file is, and what to do."""
    from open_clip.factory import load_checkpoint

    file = source.file or _in(cast(Path, source.directory))
    stored = read_layout(file)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    try:
        load_checkpoint(model, str(file), strict=True, weights_only=True, device="cpu")
    except Exception as error:  # open_clip's readers raise whatever a foreign layout leads them to
        called = source.model if source.file else "the configuration beside it"
        shapes = {name: one.shape for name, one in stored.items()} if stored else {}
        why = of_another_model(file, shapes, wanted, called) if shapes else _foreign_arrays(error)
        raise UserError(f"{file} {why}") from error
    if stored is None:
        return ()
    _refuse_integers(file, stored, model)
    return _resized(file, stored, wanted)


def _in(directory: Path) -> Path:
    """The file of a directory that open_clip would read."""
    from open_clip.factory import _find_checkpoint_in_dir

    found = _find_checkpoint_in_dir(directory)
    if found is None:
        raise UserError(
            f"{directory} holds no weights beside its configuration; put open_clip_model.safetensors there"
        )
    return Path(found)


def _foreign_arrays(error: Exception) -> str:
    return (
        f"holds arrays of numpy that open_clip cannot place ({first_line(error)}); it reads those of "
        "big_vision for SigLIP alone, so give safetensors or a state dict of torch"
    )


def _refuse_integers(file: Path, stored: Mapping[str, Stored], model: nn.Module) -> None:
    floating = {name for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    for name, one in stored.items():
        if name in floating and not one.floating:
            raise UserError(
                f"{file} holds integers in {name}, as quantised weights are; give those in float32, "
                "float16 or bfloat16"
            )


_POSITIONS = {
    "visual.positional_embedding": "patches of an image",
    "positional_embedding": "words of a caption",
    "text.positional_embedding": "words of a caption",
}


def _resized(
    file: Path, stored: Mapping[str, Stored], wanted: Mapping[str, tuple[int, ...]]
) -> tuple[str, ...]:
    """Sentences on positional embeddings that open_clip has made longer or shorter."""
    notes = []
    for name, of_what in _POSITIONS.items():
        model_name = name if name in wanted else f"text.{name}"
        if name in stored and model_name in wanted and stored[name].shape != wanted[model_name]:
            notes.append(
                f"{file} was trained with {stored[name].shape[0]} positions of {of_what}, and the "
                f"architecture has {wanted[model_name][0]}: they were interpolated, which "
                "changes all features; give the architecture that it was trained as"
            )
    return tuple(notes)


def check_numbers(model: nn.Module, called: str) -> None:
    """Raises `UserError` where a weight is not finite, or a logit scale is beyond reason."""
    for tensor_name, tensor in model.state_dict().items():
        if tensor_name.startswith("text_decoder."):  # of CoCa, which writes captions
            continue
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise UserError(
                f"{called} has {bad:,} of {tensor.numel():,} numbers in {tensor_name} that are NaN "
                "or infinite; its training diverged or the file is damaged, so give other weights"
            )
    scale = getattr(model, "logit_scale", None)
    if scale is not None and (logarithm := float(cast(Tensor, scale).detach().max())) > _LARGEST_SCALE:
        raise UserError(
            f"{called} multiplies its cosines by exp({logarithm:g}), beyond all that is trained; the "
            "file may hold the scale itself, and its logarithm belongs there"
        )


_LARGEST_SCALE = 10.0  # a logarithm; CLIP stops at log 100 = 4.6
