"""Fine-tunes the encoder on the prepared rows and keeps checkpoints, from which a stopped run goes on.

What is kept for shipping is the running mean of the weights. It never looks at a test split.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from parley.screening.normalise import for_model
from training.encoder import INNER, Judge, find_pretrained, inner_of, load_pretrained, mean_of
from training.heads import ALL_HEADS, HEADS, Row, read_rows
from training.metrics import auroc, average_precision
from training.noise import disguise
from training.prepare import WORK
from training.sources import COMMENTS, PLAIN_SOURCES

EARLY_DEPTHS = (2, 3)
"""Layers after which `--early` trains outputs."""

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""Token numbers, their mask, labels, weights, which rows are posts as most people write them, the teacher's logits."""

TEMPERATURE = 2.0
"""By what logits are divided where the network learns from a teacher, so that what is improbable counts too."""

_HEAD_WEIGHTS = {"violence": 2.0, "hate": 1.0, "abuse": 0.3, "incitement": 0.3, "stereotype": 0.3, "derogation": 0.3}
console = Console()


def load_tokenizer(folder: Path, tokens: int) -> Tokenizer:
    """Return the tokenizer of the pretrained encoder, cut to `tokens`."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(tokens)
    tokenizer.no_padding()
    return tokenizer


def targets_of(row: Row, violent: float = 1.0) -> tuple[list[float], list[float]]:
    """Return the labels of a row and their weights per head; an unknown label has weight 0.

    `violent` is what a violent row of a public source counts: there are few of them.
    """
    labels = [float(row.labels.get(head, 0)) for head in ALL_HEADS]
    weights = [
        row.weights.get(head, 1.0) * _HEAD_WEIGHTS.get(head, 1.0) if head in row.labels else 0.0 for head in ALL_HEADS
    ]
    if row.source != "written" and row.labels.get("violence") == 1:
        weights[ALL_HEADS.index("violence")] *= violent
    return labels, weights


def is_ordinary(row: Row) -> bool:
    """Whether a row is an ordinary post, to which any other text can be joined without changing its labels."""
    return row.source in PLAIN_SOURCES or row.category.startswith(("ordinary", "voices"))


def join_some(rows: list[Row], chance: random.Random, share: float) -> list[str]:
    """Return the texts; a share of the written ones stands before or behind an ordinary post, as in a longer one."""
    ordinary = [row.text for row in rows if is_ordinary(row)]
    texts = [row.text for row in rows]
    for place, row in enumerate(rows):
        if ordinary and row.source == "written" and chance.random() < share:
            pair = [texts[place].rstrip(), chance.choice(ordinary)]
            chance.shuffle(pair)
            if pair[0][-1].isalnum():
                pair[0] += chance.choice((".", "!", "", " -"))
            texts[place] = " ".join(pair)
    return texts


def batches_of(
    rows: list[Row],
    tokenizer: Tokenizer,
    chance: random.Random,
    options: argparse.Namespace,
    taught: dict[str, list[float]] | None = None,
) -> Iterator[Batch]:
    """Yield batches of texts of about one length, in random order, some of them disguised or joined with another.

    `taught` holds a teacher's logits by text; they are empty columns without one.
    """
    size = options.batch
    texts = join_some(rows, chance, options.joined)
    texts = [for_model(disguise(text, chance) if chance.random() < options.noisy else text) for text in texts]
    encoded = [found.ids for found in tokenizer.encode_batch_fast(texts)]
    order = sorted(range(len(rows)), key=lambda i: len(encoded[i]) + chance.uniform(-3, 3))
    chunks = [order[start : start + size] for start in range(0, len(order), size)]
    chance.shuffle(chunks)
    for chunk in chunks:
        longest = max(len(encoded[i]) for i in chunk)
        ids = torch.zeros((len(chunk), longest), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for place, i in enumerate(chunk):
            ids[place, : len(encoded[i])] = torch.tensor(encoded[i])
            mask[place, : len(encoded[i])] = 1
        targets = [targets_of(rows[i], options.violent) for i in chunk]
        usual = torch.tensor([is_ordinary(rows[i]) or rows[i].source in ("davidson", COMMENTS) for i in chunk])
        said = torch.tensor([taught[rows[i].text] if taught else [] for i in chunk])
        yield ids, mask, torch.tensor([t[0] for t in targets]), torch.tensor([t[1] for t in targets]), usual, said


def parameter_groups(judge: Judge, rate: float, head_rate: float, decay: float) -> list[dict[str, Any]]:
    """Return the optimiser's groups: lower layers learn more slowly, the heads faster."""
    outputs = [*judge.output.parameters(), *judge.early.parameters()]
    groups: list[dict[str, Any]] = [{"params": outputs, "lr": head_rate, "weight_decay": 0.01}]
    depth = len(judge.layers)
    for index, layer in enumerate(judge.layers):
        groups.append({"params": layer.parameters(), "lr": rate * decay ** (depth - 1 - index), "weight_decay": 0.01})
    bottom = [
        *judge.words.parameters(),
        *judge.places.parameters(),
        *judge.kinds.parameters(),
        *judge.norm.parameters(),
    ]
    groups.append({"params": bottom, "lr": rate * decay**depth, "weight_decay": 0.0})
    for group in groups:
        group["top"] = group["lr"]
    return groups


def rank_loss(logits: Tensor, labels: Tensor, weights: Tensor, usual: Tensor) -> Tensor:
    """Return how far positives stand below the highest ordinary posts of a batch: cross entropy of each against all.

    What counts is recall when few ordinary posts are flagged, which the mean over all rows hardly feels.
    """
    positive, negative = (labels > 0.5) & (weights > 0), (labels < 0.5) & (weights > 0) & usual
    if not positive.any() or not negative.any():
        return logits.sum() * 0.0
    above = torch.logsumexp(logits[negative], 0)
    costs = functional.softplus(above - logits[positive]) * weights[positive]
    return costs.sum() / len(logits)


def label_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted cross entropy of a batch, by text."""
    losses = functional.binary_cross_entropy_with_logits(logits.float(), labels, weight=weights, reduction="none")
    return losses.sum() / len(labels)


def taught_loss(logits: Tensor, said: Tensor) -> Tensor:
    """Return how far the logits of a batch are from a teacher's: their cross entropy, softened (Hinton et al. 2015)."""
    soft = torch.sigmoid(said / TEMPERATURE)
    losses = functional.binary_cross_entropy_with_logits(logits.float() / TEMPERATURE, soft, reduction="none")
    weights = torch.tensor([_HEAD_WEIGHTS.get(head, 1.0) for head in ALL_HEADS])
    return TEMPERATURE**2 * (losses * weights).sum() / len(logits)


def pace_at(done: int, total: int) -> float:
    """Return the share of the full learning rate at a step: it rises over the first 6 %, then falls in a line."""
    return min(1.0, (done + 1) / (0.06 * total)) * max(0.02, 1.0 - done / total)


class Mean:
    """The running mean of a model's weights."""

    def __init__(self, judge: nn.Module, keep: float) -> None:
        self.keep = keep
        self.steps = 0
        self.state = {name: value.detach().clone() for name, value in judge.state_dict().items()}

    def update(self, judge: nn.Module) -> None:
        """Take the weights as they are now into the mean."""
        self.steps += 1
        keep = min(self.keep, (1 + self.steps) / (10 + self.steps))
        for name, value in judge.named_parameters():
            if value.requires_grad:
                self.state[name].lerp_(value.detach(), 1.0 - keep)


@torch.no_grad()
def predict(judge: Any, texts: list[str], tokenizer: Tokenizer, *, size: int = 64) -> np.ndarray[Any, Any]:
    """Return the logits [texts, heads] of normalised texts."""
    judge.eval()
    encoded = [found.ids for found in tokenizer.encode_batch_fast(texts)]
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    logits = np.zeros((len(texts), len(judge.heads)), dtype=np.float32)
    for start in range(0, len(order), size):
        chunk = order[start : start + size]
        longest = max(len(encoded[i]) for i in chunk)
        ids = torch.tensor([encoded[i] + [0] * (longest - len(encoded[i])) for i in chunk])
        with torch.autocast("cpu", torch.bfloat16):
            found = judge(ids, (torch.arange(longest) < torch.tensor([[len(encoded[i])] for i in chunk])).long())
        logits[chunk] = found.float().numpy()
    judge.train()
    return logits


def print_validation(judge: Judge, rows: list[Row], tokenizer: Tokenizer) -> dict[str, list[float]]:
    """Print AUROC and average precision per head, on public and on written validation rows."""
    logits = predict(judge, [for_model(row.text) for row in rows], tokenizer)
    results: dict[str, list[float]] = {}
    for place, head in enumerate(HEADS):
        for kind in ("public", "written"):
            chosen = [
                i for i, r in enumerate(rows) if head in r.labels and (r.source == "written") == (kind == "written")
            ]
            labels = np.array([rows[i].labels[head] for i in chosen], dtype=np.float64)
            if labels.sum() < 5:
                continue
            scores = logits[chosen, place].astype(np.float64)
            results[f"{head} {kind}"] = [auroc(labels, scores), average_precision(labels, scores), float(labels.sum())]
    for name, (area, precision, count) in results.items():
        console.print(f"  {name:22} AUROC {area:.3f}  AP {precision:.3f}  ({count:.0f} positives)")
    return results


def load_rows(work: Path, shares: dict[str, float], chance: random.Random) -> tuple[list[Row], list[Row]]:
    """Return the training rows (all violent ones, and a share of each source's others) and the validation rows."""
    train: list[Row] = []
    validation: list[Row] = []
    for row in read_rows(work / "rows.jsonl.gz"):
        if row.split == "val" and row.source not in PLAIN_SOURCES:
            validation.append(row)
        if row.split != "train":
            continue
        share = shares.get(row.source, 1.0)
        if row.labels.get("violence") == 1 or row.reviewed:
            share = max(share, 1.0)
        train += [row] * (int(share) + (chance.random() < share % 1.0))
    return train, validation


def read_taught(path: Path) -> dict[str, list[float]]:
    """Return a teacher's logits by text, as `training.teacher` wrote them."""
    found = np.load(path)
    return dict(zip((str(text) for text in found["texts"]), found["logits"].tolist(), strict=True))


def save(path: Path, judge: Judge, optimiser: torch.optim.Optimizer, mean: Mean, place: dict[str, int]) -> None:
    """Write a checkpoint, whole or not at all."""
    unfinished = path.with_suffix(".part")
    torch.save(
        {
            "judge": judge.state_dict(),
            "optimiser": optimiser.state_dict(),
            "mean": mean.state,
            "steps": mean.steps,
            "place": place,
        },
        unfinished,
    )
    unfinished.replace(path)


def run(options: argparse.Namespace) -> None:
    """Train from the start, or from the run's checkpoint."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    folder = options.work / "runs" / options.name
    folder.mkdir(parents=True, exist_ok=True)
    source = find_pretrained()
    tokenizer = load_tokenizer(source, options.tokens)
    start = mean_of(options.start) if options.start else None
    inner = inner_of(start) if start else INNER
    judge = Judge(ALL_HEADS, early=EARLY_DEPTHS if options.early else (), inner=inner)
    if start:
        judge.take(start)
    else:
        load_pretrained(judge, source)
    judge.words.weight.requires_grad_(not options.freeze_words)
    optimiser = torch.optim.AdamW(parameter_groups(judge, options.rate, options.head_rate, options.decay), fused=True)
    mean = Mean(judge, options.keep)
    place = {"epoch": 0, "step": 0, "done": 0}
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        found = torch.load(checkpoint, weights_only=True)
        judge.load_state_dict(found["judge"])
        optimiser.load_state_dict(found["optimiser"])
        mean.state, mean.steps, place = found["mean"], found["steps"], found["place"]
        console.print(f"Going on at epoch {place['epoch']}, step {place['step']}")
    train, validation = load_rows(options.work, dict(options.share), random.Random(options.seed))  # noqa: S311
    taught = read_taught(options.teacher) if options.teacher else None
    if taught and any(row.text not in taught for row in train):
        raise SystemExit(
            f"{options.teacher} is not about all of these rows: run `python -m training.teacher say` again."
        )
    steps = math.ceil(len(train) / options.batch)
    total = steps * options.epochs
    console.print(f"{len(train):,} training rows, {total:,} steps")
    judge.train()
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bar:
        task = bar.add_task("loss -", total=total, completed=place["done"])
        for epoch in range(place["epoch"], options.epochs):
            chance = random.Random(options.seed * 1000 + epoch)  # noqa: S311 - reproducible on purpose
            running = 0.0
            batches = batches_of(train, tokenizer, chance, options, taught)
            for step, (ids, mask, labels, weights, usual, said) in enumerate(batches):
                if epoch == place["epoch"] and step < place["step"]:
                    continue
                done = epoch * steps + step
                pace = pace_at(done, total)
                for group in optimiser.param_groups:
                    group["lr"] = group["top"] * pace
                with torch.autocast("cpu", torch.bfloat16):
                    logits, *early = judge.answers(ids, mask)
                loss = label_loss(logits, labels, weights)
                if taught:
                    loss = loss + options.soft * taught_loss(logits, said)
                for answer in early:
                    loss = loss + options.early * label_loss(answer, labels, weights)
                if options.rank:
                    loss = loss + options.rank * rank_loss(logits[:, 0].float(), labels[:, 0], weights[:, 0], usual)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad()
                mean.update(judge)
                running = 0.98 * running + 0.02 * float(loss.detach())
                if done % 100 == 0 and not console.is_terminal:
                    console.print(f"step {done + 1:,} of {total:,}, loss {running:.3f}")
                bar.update(task, completed=done + 1, description=f"epoch {epoch} loss {running:.3f}")
                if (step + 1) % options.every == 0:
                    save(checkpoint, judge, optimiser, mean, {"epoch": epoch, "step": step + 1, "done": done + 1})
            save(checkpoint, judge, optimiser, mean, {"epoch": epoch + 1, "step": 0, "done": (epoch + 1) * steps})
            torch.save(mean.state, folder / f"mean-{epoch + 1}.pt")
            judged = Judge(ALL_HEADS, inner=inner)
            judged.take(mean.state)
            console.print(f"After epoch {epoch + 1}, mean of the weights:")
            results = print_validation(judged, validation, tokenizer)
            (folder / f"validation-{epoch + 1}.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


def _share(text: str) -> tuple[str, float]:
    source, _, share = text.partition("=")
    return source, float(share)


def add_row_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which rows train, and in what batches."""
    parser.add_argument("--work", type=Path, default=WORK, help="folder for everything that is made on the way")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=96, help="longer texts are cut")
    parser.add_argument("--joined", type=float, default=0.1, help="share of written texts joined with an ordinary one")
    parser.add_argument(
        "--share",
        type=_share,
        action="append",
        default=[],
        help="SOURCE=0.5: a part of it; 2 takes it twice",
    )
    parser.add_argument("--seed", type=int, default=1)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_row_arguments(parser)
    parser.add_argument("--name", default="first", help="the run's name: its checkpoints lie in WORK/runs/NAME")
    parser.add_argument("--start", type=Path, nargs="+", help="weights to begin with: the mean of these mean-N.pt")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=8e-5, help="learning rate of the topmost layer")
    parser.add_argument("--head-rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.9, help="a layer's learning rate as a share of the next one's")
    parser.add_argument("--keep", type=float, default=0.999, help="how much of the running mean each step keeps")
    parser.add_argument("--noisy", type=float, default=0.18, help="share of texts that are disguised")
    parser.add_argument("--freeze-words", action="store_true", help="leave the word embeddings as they are: faster")
    parser.add_argument("--violent", type=float, default=1.0, help="what a violent row of a public source counts")
    parser.add_argument("--early", type=float, default=0.0, help="weight of the loss of the first layers' own outputs")
    parser.add_argument(
        "--teacher", type=Path, help="learn from what a larger network said: taught.npz of training.teacher"
    )
    parser.add_argument("--soft", type=float, default=0.5, help="weight of the loss that follows the teacher")
    parser.add_argument("--rank", type=float, default=0.0, help="weight of the loss that ranks violence in a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=300, help="steps between checkpoints")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
