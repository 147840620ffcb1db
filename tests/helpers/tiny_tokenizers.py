"""Tokenizers of `transformers` with a few dozen tokens, made on the spot, laid out as real ones are."""

from __future__ import annotations

import string
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = (
    "a",
    "photo",
    "of",
    "the",
    "cat",
    "dog",
    "red",
    "green",
    "blue",
    "itap",
    "bad",
    "large",
    "art",
    "word",
)


def bert(directory: Path) -> int:
    """[CLS] text [SEP], then zeros. Writes the files; gives the size of the vocabulary, as the others do."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[BOS]", "[EOS]"]
    pieces = dict.fromkeys(
        [*special, *WORDS, *string.printable[:-6], *(f"##{c}" for c in string.ascii_lowercase)]
    )
    tokenizer = Tokenizer(models.WordPiece({one: i for i, one in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return _write(
        tokenizer, directory, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        bos_token="[BOS]", eos_token="[EOS]",
    )  # fmt: skip


def roberta(directory: Path) -> int:
    """<s> text </s>, then <pad>, which is 1; pairs of bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {one: i for i, one in enumerate(["<s>", "<pad>", "</s>", "<unk>", *alphabet])}
    merges = [("Ġ", "p"), ("Ġp", "h"), ("c", "a"), ("r", "e"), ("re", "d"), ("o", "f"), ("Ġ", "a")]
    for left, right in merges:
        pieces[left + right] = len(pieces)
    tokenizer = Tokenizer(models.BPE(pieces, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return _write(
        tokenizer, directory, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>",
    )  # fmt: skip


def xlm_roberta(directory: Path) -> int:
    """<s> text </s>, then <pad>, which is 1; sentence pieces."""
    tokenizer = _pieces(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return _write(
        tokenizer, directory, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>",
    )  # fmt: skip


def t5(directory: Path, pad: str = "<pad>") -> int:
    """text </s>, then zeros; with `pad="</s>"` ends until the end, as SigLIP was trained."""
    tokenizer = _pieces(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return _write(tokenizer, directory, eos_token="</s>", pad_token=pad, unk_token="<unk>")


def nllb(directory: Path) -> int:
    """The language, text </s>, then <pad>, which is 1."""
    tokenizer = _pieces(["<s>", "<pad>", "</s>", "<unk>", "eng_Latn"])
    tokenizer.post_processor = processors.TemplateProcessing(
        "eng_Latn $A </s>", special_tokens=[("eng_Latn", 4), ("</s>", 2)]
    )
    return _write(
        tokenizer, directory, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def _pieces(special: list[str]) -> Tokenizer:
    letters = [*string.ascii_letters, *string.digits, *string.punctuation, "▁"]
    pieces = dict.fromkeys([*special, *(f"▁{word}" for word in WORDS), *letters])
    scores = [(one, 0.0 if one in special else -2.0 - (len(one) == 1)) for one in pieces]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=special.index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def _write(tokenizer: Tokenizer, directory: Path, **tokens: str) -> int:
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens).save_pretrained(directory)
    return tokenizer.get_vocab_size()
