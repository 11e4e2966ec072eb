"""Qwen2-VL (arXiv 2409.12191) with LoRA adapters (arXiv 2106.09685): frozen weights of a hub, of a folder, or made by code.

The made ones have the real architecture at toy size, random weights and a tokenizer learned from the texts at hand, so that
every step of the large model's way can be taken on one core. They are saved as a folder and opened like any other.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import AutoTokenizer, Qwen2Tokenizer, Qwen2VLConfig, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pellucid.base.errors import DataError

Arrays = dict[str, NDArray[np.generic]]
Source = str | Path
MARKS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
PATCH = 14
# The form of Qwen2-VL's own template: a turn between marks, a picture as one mark that is repeated for its patches later.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% for part in message.content -%}
{%- if part.type == "image" -%}<|vision_start|><|image_pad|><|vision_end|>{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}
"""


@dataclass(frozen=True)
class MadeShape:
    """Of weights made by code. `width` is a multiple of 16 x `heads`; `spread` of the random weights' normal distribution."""

    vocabulary: int
    layers: int
    width: int
    heads: int
    vision_layers: int
    vision_width: int
    spread: float


@dataclass(frozen=True)
class Lora:
    """`targets` are names of linear layers; those named here exist in the language model only, whose adapters vLLM serves."""

    targets: tuple[str, ...]
    rank: int
    alpha: int
    dropout: float


@dataclass(frozen=True)
class Base:
    """Frozen model, its tokenizer and its view of pictures. `key` changes when the weights do."""

    model: Any
    tokenizer: Any
    images: Any
    key: str


def make_base(folder: Path, shape: MadeShape, texts: Iterable[str], seed: int) -> None:
    """Write weights of `shape` drawn by `seed`, with a byte-pair tokenizer of `texts`; nothing where the folder is there."""
    if folder.exists():
        return
    making = folder.with_name(f"making-{folder.name}")
    shutil.rmtree(making, ignore_errors=True)
    tokenizer = Qwen2Tokenizer().train_new_from_iterator(
        texts, shape.vocabulary, new_special_tokens=list(MARKS), show_progress=False
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(making)
    Qwen2VLImageProcessorPil(patch_size=PATCH).save_pretrained(making)
    torch.manual_seed(seed)
    Qwen2VLForConditionalGeneration(_config(shape, tokenizer)).save_pretrained(making)
    making.rename(folder)


def open_base(source: Source, revision: str | None, precision: torch.dtype, pixels: tuple[int, int]) -> Base:
    """From a hub by name, or from a folder; a picture is scaled to between `pixels`[0] and [1] pixels. Safetensors only.

    Raises `DataError` where there is nothing to open.
    """
    how: dict[str, Any] = {"revision": revision} if revision and not isinstance(source, Path) else {}
    try:
        model = Qwen2VLForConditionalGeneration.from_pretrained(source, dtype=precision, use_safetensors=True, **how)
        tokenizer = AutoTokenizer.from_pretrained(source, **how)
        # transformers' Qwen2VLProcessor would ask for torchvision, for videos that nobody sends.
        size = {"shortest_edge": pixels[0], "longest_edge": pixels[1]}
        images = Qwen2VLImageProcessorPil.from_pretrained(source, size=size, **how)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{source} cannot be opened as Qwen2-VL ({reason}); give a folder with --root, or a name of the hub"
        ) from error
    if not tokenizer.chat_template:
        raise DataError(f"{source} has no chat template; take the weights whose name ends in -Instruct")
    model.requires_grad_(False)
    return Base(model, tokenizer, images, _key(source, model))


def add_lora(base: Base, lora: Lora, seed: int) -> Any:
    """A model that is `base` until it is trained: the added matrices are its only trained weights, in float32."""
    torch.manual_seed(seed)
    plan = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets), task_type="CAUSAL_LM"
    )  # fmt: skip
    return get_peft_model(base.model, plan)


def save_activations_less(model: Any) -> None:
    """Recompute activations in the backward pass: about a third more time for a fraction of the memory."""
    model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})


def adapter_of(model: Any) -> Arrays:
    return {name: tensor.detach().cpu().numpy() for name, tensor in get_peft_model_state_dict(model).items()}


def put_adapter(model: Any, adapter: Arrays) -> None:
    """Raises `DataError` where the weights are not of an adapter of this shape."""
    own = adapter_of(model)
    if {name: array.shape for name, array in own.items()} != {name: array.shape for name, array in adapter.items()}:
        raise DataError("the adapter's weights do not fit its recipe; train it again")
    set_peft_model_state_dict(model, {name: torch.from_numpy(array.copy()) for name, array in adapter.items()})


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _config(shape: MadeShape, tokenizer: Any) -> Qwen2VLConfig:
    start, end, vision_start, vision_end, image, video = tokenizer.convert_tokens_to_ids(list(MARKS))
    half = shape.width // shape.heads // 2
    text = {
        "vocab_size": len(tokenizer), "hidden_size": shape.width, "intermediate_size": 2 * shape.width,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": max(1, shape.heads // 2),
        "bos_token_id": start, "eos_token_id": end, "pad_token_id": tokenizer.pad_token_id, "initializer_range": shape.spread,
        # Time, height and width share the rotary halves as in the real model: 1 to 1.5 to 1.5.
        "rope_parameters": {"rope_type": "default", "mrope_section": [half // 4, 3 * half // 8, 3 * half // 8]},
    }  # fmt: skip
    vision = {
        "depth": shape.vision_layers, "embed_dim": shape.vision_width, "hidden_size": shape.width, "num_heads": 2, "mlp_ratio": 2,
        "patch_size": PATCH, "initializer_range": shape.spread,
    }  # fmt: skip
    return Qwen2VLConfig(
        text_config=text, vision_config=vision, image_token_id=image, video_token_id=video, vision_start_token_id=vision_start,
        vision_end_token_id=vision_end, tie_word_embeddings=False,
    )  # fmt: skip


def _key(source: Source, model: Any) -> str:
    """The hub's commit, or a hash of the folder's configuration and of the sizes and first megabytes of its weights."""
    if commit := getattr(model.config, "_commit_hash", None):
        return f"{source}@{commit}"
    digest = hashlib.sha256()
    for path in _files(Path(source)):
        with path.open("rb") as file:
            digest.update(f"{path.name} {path.stat().st_size} ".encode() + file.read(1 << 20))
    return digest.hexdigest()[:16]


def _files(folder: Path) -> Sequence[Path]:
    return sorted((folder / "config.json", *folder.glob("*.safetensors")))
