"""A picture, a question and perhaps the answer to it → the tensors Qwen2-VL takes; and the model's own answer, token by token.

Question and answer are tokenised apart, so that training sees the very tokens an answer will begin after, and only the answer's
tokens are learned. The template is the tokenizer's own: what is trained is what a server makes of the same chat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from pellucid.nets.qwen2vl import Base
from pellucid.runtime.reply import Reply, Token

IMAGE, END = "<|image_pad|>", "<|im_end|>"
NOT_LEARNED = -100
"""Marks the places of `labels` that the loss leaves out."""


@dataclass(frozen=True)
class Turn:
    """One picture [patches, 3 x 2 x 14 x 14] of `grid` [1, 3], and the token numbers of what is asked and answered."""

    pixels: Tensor
    grid: Tensor
    question: tuple[int, ...]
    answer: tuple[int, ...] = ()


def turn(base: Base, image: Image.Image, question: str, answer: str | None = None) -> Turn:
    seen = base.images(images=[image], return_tensors="pt")
    grid = seen["image_grid_thw"]
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
    chat = base.tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    asked = chat.replace(IMAGE, IMAGE * (int(grid.prod()) // base.images.merge_size**2), 1)
    told = () if answer is None else _numbers(base, answer + END)
    return Turn(seen["pixel_values"], grid, _numbers(base, asked), told)


def batch(base: Base, turns: Sequence[Turn]) -> tuple[dict[str, Tensor], Tensor]:
    """(inputs, labels): lines padded on the right to the longest, [n, t]; the pictures' patches one after the other."""
    longest = max(len(one.question) + len(one.answer) for one in turns)
    ids = torch.full((len(turns), longest), base.tokenizer.pad_token_id)
    attention, labels = torch.zeros_like(ids), torch.full_like(ids, NOT_LEARNED)
    for row, one in enumerate(turns):
        begun, ended = len(one.question), len(one.question) + len(one.answer)
        ids[row, :ended] = torch.tensor((*one.question, *one.answer))
        attention[row, :ended] = 1
        labels[row, begun:ended] = ids[row, begun:ended]
    inputs = {
        "input_ids": ids, "attention_mask": attention, "mm_token_type_ids": (ids == base.model.config.image_token_id).int(),
        "pixel_values": torch.cat([one.pixels for one in turns]), "image_grid_thw": torch.cat([one.grid for one in turns]),
    }  # fmt: skip
    where = base.model.device
    return {name: tensor.to(where) for name, tensor in inputs.items()}, labels.to(where)


def answer_loss(model: nn.Module, inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Cross-entropy of the answers' tokens: the mean over each answer, then over answers, so that a batch may be cut in parts."""
    logits = model(**inputs, use_cache=False).logits[:, :-1].float()
    wanted = labels[:, 1:]
    each = functional.cross_entropy(logits.transpose(1, 2), wanted, ignore_index=NOT_LEARNED, reduction="none")
    learned = wanted != NOT_LEARNED
    return (each.sum(dim=1) / learned.sum(dim=1)).mean()


@torch.no_grad()
def reply(base: Base, model: Any, image: Image.Image, question: str, max_tokens: int) -> tuple[Reply, bool]:
    """The greedy answer, and whether it was ended by the model rather than by `max_tokens`."""
    inputs, _ = batch(base, [turn(base, image, question)])
    end = base.tokenizer.convert_tokens_to_ids(END)
    made = model.generate(
        **inputs, max_new_tokens=max_tokens, do_sample=False, eos_token_id=end, pad_token_id=base.tokenizer.pad_token_id,
        return_dict_in_generate=True, output_logits=True,
    )  # fmt: skip
    numbers = made.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    each = [float(logits[0].float().log_softmax(-1)[number]) for logits, number in zip(made.logits, numbers, strict=True)]
    whole = bool(numbers) and numbers[-1] == end
    said = numbers[:-1] if whole else numbers
    text = base.tokenizer.decode(said, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return Reply(text, tuple(Token(_bytes(base, number), value) for number, value in zip(said, each, strict=False))), whole


def _numbers(base: Base, text: str) -> tuple[int, ...]:
    return tuple(base.tokenizer(text, add_special_tokens=False)["input_ids"])


def _bytes(base: Base, number: int) -> bytes:
    """The token's bytes. A byte-level tokenizer writes each byte as one printable letter; these are its letters, undone."""
    token = base.tokenizer.convert_ids_to_tokens(number)
    letters = _letters()
    if all(letter in letters for letter in token):
        return bytes(letters[letter] for letter in token)
    return str(token).encode()


def _letters() -> dict[str, int]:
    """Printable Latin-1 bytes stand for themselves, the others for the letters from 256 on (GPT-2's table)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(others)}
