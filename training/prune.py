"""Takes out the inner neurons of each layer that matter least: a part of the products of a fine-tuned network.

How much a neuron matters is what the loss would change by without it, to first order: the sum over training rows of
|activation * gradient| (Molchanov et al.: Pruning Convolutional Neural Networks for Resource Efficient Inference, ICLR
2017). The network must be trained on after that.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from training.encoder import Judge, find_pretrained, inner_of, mean_of
from training.heads import ALL_HEADS
from training.prepare import WORK
from training.scoring import MAX_TOKENS
from training.train import Batch, batches_of, label_loss, load_rows, load_tokenizer

console = Console()


def importance(judge: Judge, batches: list[Batch]) -> list[Tensor]:
    """Return per layer how much each inner neuron matters, [inner]."""
    found = [torch.zeros(layer.inner.out_features) for layer in judge.layers]
    seen: dict[int, Tensor] = {}

    def keep(place: int, given: Tensor) -> None:
        given.retain_grad()
        seen[place] = given

    hooks = [
        layer.outer.register_forward_pre_hook(lambda _, given, place=place: keep(place, given[0]))
        for place, layer in enumerate(judge.layers)
    ]
    judge.eval()
    for ids, mask, labels, weights, *_ in track(batches, "Asking what matters"):
        label_loss(judge(ids, mask), labels, weights).backward()
        for place, given in seen.items():
            assert given.grad is not None
            found[place] += (given * given.grad * mask[:, :, None]).detach().abs().sum((0, 1))
        judge.zero_grad()
    for hook in hooks:
        hook.remove()
    return found


def prune(state: dict[str, Tensor], matters: list[Tensor], inner: int) -> dict[str, Tensor]:
    """Return the weights with the `inner` neurons of each layer that matter most, in their order."""
    pruned = dict(state)
    for place, own in enumerate(matters):
        kept = own.topk(inner).indices.sort().values
        for part in ("inner.weight", "inner.bias"):
            pruned[f"layers.{place}.{part}"] = state[f"layers.{place}.{part}"][kept]
        pruned[f"layers.{place}.outer.weight"] = state[f"layers.{place}.outer.weight"][:, kept]
        console.print(f"layer {place}: {float(own[kept].sum() / own.sum()):.3f} of what matters is kept")
    return pruned


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, nargs="+", help="mean-N.pt files; several are averaged")
    parser.add_argument("--to", type=Path, required=True, help="file of the result")
    parser.add_argument("--inner", type=int, default=1152, help="neurons that each layer keeps")
    parser.add_argument("--rows", type=int, default=4800, help="training rows that are asked")
    parser.add_argument("--work", type=Path, default=WORK, help="folder with the prepared rows")
    options = parser.parse_args()
    state = mean_of(options.weights)
    judge = Judge(ALL_HEADS, inner=inner_of(state))
    judge.take(state)
    chance = random.Random(3)  # noqa: S311 - reproducible on purpose
    rows = chance.sample(load_rows(options.work, {}, chance)[0], options.rows)
    tokenizer = load_tokenizer(find_pretrained(), MAX_TOKENS)
    plain = argparse.Namespace(batch=48, joined=0.0, noisy=0.0, violent=1.0)
    matters = importance(judge, list(batches_of(rows, tokenizer, chance, plain)))
    torch.save(prune(state, matters, options.inner), options.to)


if __name__ == "__main__":
    main()
