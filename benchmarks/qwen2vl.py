"""One step of Qwen2-VL-7B's LoRA training as qwen2vl-coco.toml asks for it: time and memory, on random weights.

    python benchmarks/qwen2vl.py             the 7B shape in bf16; needs a GPU of 24 GB
    python benchmarks/qwen2vl.py --layers 2  only so many of its 28 layers

Shape and trained matrices are those of Qwen2-VL-7B-Instruct; neither weights nor pictures are, since time and memory do not
depend on them. A turn is a picture of COCO's usual 640 x 480, scaled to 504 x 364, thirty tokens of question, fifteen of answer.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

import pellucid.defaults
from pellucid.nets.qwen2vl import Base, add_lora, save_activations_less
from pellucid.nets.qwen2vl_chat import Turn, answer_loss, batch
from pellucid.records.recipe import load_recipe
from pellucid.train.loop import fit
from pellucid.train.qwen2vl_recipe import Qwen2vlRecipe

RECIPE = Path(pellucid.defaults.__file__).parent / "recipes" / "qwen2vl-coco.toml"
GRID = (1, 26, 36)
"""Patches of 14 px in 504 x 364; four of them become one token."""
MERGED, PATCH_NUMBERS = 4, 3 * 2 * 14 * 14
QUESTION, ANSWER = 30, 15
WORDS, VISION_START, VISION_END, IMAGE, VIDEO = 151_643, 151_652, 151_653, 151_655, 151_656
STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", type=int, default=28)
    asked = parser.parse_args()
    recipe = load_recipe(RECIPE, Qwen2vlRecipe)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base = made(asked.layers, recipe.weights.dtype, device)
    model = add_lora(base, recipe.lora.lora(), recipe.seed).to(device)
    if recipe.weights.activation_checkpointing:
        save_activations_less(model)
    plan = recipe.optimiser.model_copy(update={"epochs": STEPS, "warmup_steps": 1})
    times = [time.perf_counter()]

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        return answer_loss(model, *batch(base, [drawn() for _ in rows]))

    def after_epoch(epoch: int, _: nn.Module, mean: float) -> None:
        times.append(time.perf_counter())
        tqdm.write(f"step {epoch}: {times[-1] - times[-2]:.2f} s, loss {mean:.3f}")

    fit(model, loss, plan.batch, plan, recipe.seed, "qwen2vl", after_epoch=after_epoch)
    weights = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    seconds = min(after - before for before, after in pairwise(times[1:]))
    cells = (f"{weights / 1e9:.2f} G", f"{trained / 1e6:.1f} M", f"{seconds:.2f}", f"{plan.batch / seconds:.1f}", memory())
    print("| weights | trained | s a step | answers/s | peak memory |\n|---|---|---|---|---|")
    print(f"| {' | '.join(cells)} |")


def memory() -> str:
    if not torch.cuda.is_available():
        return "-"
    return f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB of {torch.cuda.get_device_name()}"


def made(layers: int, precision: torch.dtype, device: torch.device) -> Base:
    """Random weights of the 7B shape (the published config.json), drawn where they are used."""
    text = {
        "vocab_size": 152_064, "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": layers,
        "num_attention_heads": 28, "num_key_value_heads": 4,
        "bos_token_id": WORDS, "eos_token_id": WORDS + 2, "pad_token_id": WORDS,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }  # fmt: skip
    vision = {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "mlp_ratio": 4, "patch_size": 14}
    config = Qwen2VLConfig(
        text_config=text, vision_config=vision, image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=VISION_START,
        vision_end_token_id=VISION_END, tie_word_embeddings=False, dtype=precision,
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(precision)
    with device:
        model = Qwen2VLForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    model.requires_grad_(False)
    return Base(model, SimpleNamespace(pad_token_id=WORDS), None, "made")


def drawn() -> Turn:
    patches = GRID[1] * GRID[2]
    words = [torch.randint(0, WORDS, (count,)).tolist() for count in (QUESTION // 2, QUESTION // 2, ANSWER)]
    question = (*words[0], VISION_START, *[IMAGE] * (patches // MERGED), VISION_END, *words[1])
    return Turn(torch.randn(patches, PATCH_NUMBERS), torch.tensor([GRID]), question, tuple(words[2]))


if __name__ == "__main__":
    main()
