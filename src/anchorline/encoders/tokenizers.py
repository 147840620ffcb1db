"""What decides the tokens of a text: a tokenizer belongs to an encoder as its weights do."""

from __future__ import annotations

import hashlib
import json
from typing import Any, cast

from torch import Tensor

from anchorline.errors import UserError

# Texts whose tokens tell apart what surrounds a vocabulary: case, spaces, punctuation, accents, digits, signs
# of markup, other scripts, where a text begins and ends, and where it is cut.
_PROBES = (
    "",
    "a photo of a cat",
    "A Photo, of the LARGE  sun_glasses.",
    "it's 1,024 x 3.5 &amp; <b>bold</b>!?",
    "crème brûlée Ångström ﬁne ½",
    "фото кошки 猫の写真 صورة قطة",
    "one of many words " * 100,
)


def tokenizer_identity(tokenizer: Any, context_length: int) -> str:
    """All that decides the tokens of a text, as one line; empty for open_clip's own vocabulary, cleaned and
    cut (at `context_length`) as open_clip does by default."""
    from open_clip.tokenizer import SimpleTokenizer

    if isinstance(tokenizer, SimpleTokenizer):
        return _of_pairs(tokenizer, context_length)
    digest = hashlib.sha256(type(tokenizer).__name__.encode())
    digest.update(json.dumps(cast(Tensor, tokenizer(list(_PROBES))).tolist()).encode())
    digest.update(_of_hugging_face(getattr(tokenizer, "tokenizer", None)).encode())
    return digest.hexdigest()


def check_tokenizer(tokenizer: Any, called: str) -> None:
    """Raises `UserError` for a tokenizer that tells no word from another: `transformers` makes an empty one
    where its files are missing, and says nothing."""
    tokens = cast(Tensor, tokenizer(["cat", "dog", "tree"]))
    if bool((tokens == tokens[:1]).all()):
        raise UserError(
            f"the tokenizer of {called} gives the same tokens for cat, dog and tree; its files are missing "
            "or empty, so put tokenizer.json (or vocab and merges) beside the weights"
        )


def _of_pairs(tokenizer: Any, context_length: int) -> str:
    from open_clip import tokenizer as theirs

    own = theirs._tokenizer
    facts: list[object] = []
    if (tokenizer.encoder, tokenizer.bpe_ranks) != (own.encoder, own.bpe_ranks):
        facts += [list(tokenizer.encoder.items()), list(tokenizer.bpe_ranks)]
    if tokenizer.clean_fn is not own.clean_fn:
        facts.append(getattr(tokenizer.clean_fn, "__name__", ""))
    if tokenizer.reduction_fn is not None:
        facts.append(str(tokenizer.reduction_fn))
    if tokenizer.context_length != context_length:
        facts.append(tokenizer.context_length)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest() if facts else ""


def _of_hugging_face(tokenizer: Any) -> str:
    """Vocabulary, merges, normalisation and templates of a tokenizer of `transformers`."""
    if backend := getattr(tokenizer, "backend_tokenizer", None):
        state = json.loads(backend.to_str())
        for given in ("truncation", "padding"):  # of the call before
            state.pop(given, None)
        return json.dumps(state, sort_keys=True)
    return json.dumps(sorted(tokenizer.get_vocab().items())) if hasattr(tokenizer, "get_vocab") else ""
