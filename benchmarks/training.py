"""Ways to train one model, by time, memory and result: plain, accumulated, bf16, recomputed, LoRA, DDP, FSDP2.

    python benchmarks/training.py                  all rows; 4 minutes on two cores, half of them bf16 where it is emulated
    python benchmarks/training.py --rows plain ddp --gpu   some of them, on GPUs

A ViT of 2.7 million weights (64 pixels, patches of 8, six blocks of 192) learns which of four made textures it sees: 256
pictures, batches of 32, two epochs, 16 steps, no dropout, the same seed and order in every row. Each row is a process of its own.
Time is that of the training alone; memory is the highest resident size of one worker, and how much of it came after the start
(imports done); the loss is over all pictures, after the last step. LoRA needs peft.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import torch
from torch import Tensor, nn

from pellucid.train.distribution import Distribution, launch_here
from pellucid.train.loop import Optimiser, fit
from pellucid.train.workers import Workers

PICTURES, CLASSES, SIZE_PX = 256, 4, 64
PLAN = Optimiser(epochs=2, batch=32, lr=1e-3, weight_decay=0.05, warmup_steps=5, average=0.0)
LORA_LR = 5e-3


@dataclass(frozen=True)
class Row:
    """`plan` changes the optimiser's numbers; `recompute` forgets activations and computes them again; `lora` is a rank."""

    title: str
    plan: dict[str, Any] = field(default_factory=dict)
    strategy: str = "plain"
    recompute: bool = False
    lora: int = 0


ROWS = {
    "plain": Row("plain"),
    "accumulate": Row("gradients accumulated over 4 parts", {"accumulate": 4}),
    "bf16": Row("bf16 mixed precision", {"precision": "bf16"}),
    "recompute": Row("activation checkpointing", recompute=True),
    "lora": Row("LoRA of rank 8 (full fine-tuning is `plain`)", {"lr": LORA_LR}, lora=8),
    "ddp": Row("DDP, 2 workers", strategy="ddp"),
    "fsdp2": Row("FSDP2, 2 workers", strategy="fsdp2"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", nargs="+", choices=sorted(ROWS), default=list(ROWS))
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.into:
        run_row(asked.rows[0], asked.gpu, asked.into)
        return
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {torch.get_num_threads()} threads a process\n")
    print("| | trained weights | s | ms a step | peak MB | after start | loss |\n|---|---|---|---|---|---|---|")
    for name in asked.rows:
        print(line(ROWS[name], measured(name, asked.gpu)), flush=True)


def measured(name: str, gpu: bool) -> list[dict[str, float]]:
    """The figures of each worker of a row, run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--rows", name, "--into", folder, *(["--gpu"] if gpu else [])]
        subprocess.run(command, check=True)
        return [json.loads(path.read_text()) for path in sorted(Path(folder).glob("worker-*.json"))]


def line(row: Row, workers: list[dict[str, float]]) -> str:
    first, steps = workers[0], PLAN.epochs * PICTURES // PLAN.batch
    peak, grown = (max(worker[name] for worker in workers) for name in ("peak_mb", "grown_mb"))
    cells = (f"{first['weights']:,.0f}", f"{first['seconds']:.1f}", f"{1000 * first['seconds'] / steps:.0f}")
    return f"| {row.title} | {' | '.join(cells)} | {peak:.0f} | {grown:.0f} | {first['loss']:.4f} |"


def run_row(name: str, gpu: bool, into: Path) -> None:
    strategy = ROWS[name].strategy
    distribution = Distribution.model_validate({"strategy": strategy, "workers": 1 if strategy == "plain" else 2, "gpu": gpu})
    launch_here(partial(train_row, name, into), distribution)


def train_row(name: str, into: Path, workers: Workers) -> Path:
    """One worker's part of a row; writes `worker-RANK.json`."""
    row = ROWS[name]
    start_mb = memory_mb(workers)
    torch.manual_seed(0)
    pictures, labels = (tensor.to(workers.device) for tensor in made_pictures())
    model = Classifier(row).to(workers.device)

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        rows = rows.to(workers.device)
        return nn.functional.cross_entropy(model(pictures[rows]), labels[rows])

    begun = time.perf_counter()
    trained = fit(model, loss, PICTURES, PLAN.model_copy(update=row.plan), seed=1, workers=workers)
    seconds = time.perf_counter() - begun
    peak_mb = memory_mb(workers, highest=True)
    with torch.no_grad():
        rows = torch.arange(PICTURES)
        final = sum(loss(trained, part).item() * len(part) for part in rows.split(64)) / PICTURES
    weights = sum(parameter.numel() for parameter in trained.parameters() if parameter.requires_grad)
    found = {"seconds": seconds, "peak_mb": peak_mb, "grown_mb": peak_mb - start_mb, "loss": final, "weights": weights}
    (into / f"worker-{workers.rank}.json").write_text(json.dumps(found))
    return into


def memory_mb(workers: Workers, highest: bool = False) -> float:
    """Of this process, or of its GPU."""
    if workers.device.type == "cuda":
        return (torch.cuda.max_memory_allocated() if highest else torch.cuda.memory_allocated()) / 1e6
    now = psutil.Process().memory_info().rss / 1e6
    return max(now, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3) if highest else now


class Classifier(nn.Module):
    """A small ViT as transformers builds it: pixels [n, 3, 64, 64] → logits [n, 4]."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        from transformers import ViTConfig, ViTForImageClassification

        shape = ViTConfig(
            hidden_size=192, num_hidden_layers=6, num_attention_heads=3, intermediate_size=768, image_size=SIZE_PX, patch_size=8,
            num_labels=CLASSES, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        self.vit: nn.Module = ViTForImageClassification(shape)
        if row.recompute:
            self.vit.gradient_checkpointing_enable({"use_reentrant": False})
        if row.lora:
            self.vit = with_lora(self.vit, row.lora)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.vit(pixel_values=pixels).logits
        return logits


def with_lora(model: nn.Module, rank: int) -> nn.Module:
    """Adapters beside every linear layer of the blocks; they and the classifier are trained."""
    from peft import LoraConfig, get_peft_model

    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and "classifier" not in name]
    return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear, modules_to_save=["classifier"]))


def made_pictures() -> tuple[Tensor, Tensor]:
    """Noise with faint stripes of one of four directions: pixels [n, 3, 64, 64], class [n]."""
    labels = torch.arange(PICTURES) % CLASSES
    across, down = torch.meshgrid(torch.arange(SIZE_PX), torch.arange(SIZE_PX), indexing="xy")
    waves = torch.stack([torch.sin(phase / 2.0) for phase in (across, down, across + down, across - down)])
    return torch.randn(PICTURES, 3, SIZE_PX, SIZE_PX) + waves[labels].unsqueeze(1), labels


if __name__ == "__main__":
    main()
