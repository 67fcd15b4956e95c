"""Fine-tuning: what is joined keeps its label, ranking looks at the highest negatives, a teacher is followed."""

import argparse
import random
from pathlib import Path

import numpy as np
import pytest

from training.heads import ALL_HEADS, Row

torch = pytest.importorskip("torch")
from training.encoder import Judge, find_pretrained  # noqa: E402
from training.train import batches_of, join_some, load_tokenizer, rank_loss, read_taught, taught_loss  # noqa: E402


def test_only_written_texts_are_joined_and_only_with_ordinary_ones():
    rows = [
        Row("you will pay", "written", "train", {"violence": 1}, category="direct"),
        Row("a public row", "gab", "train", {"violence": 1}),
        Row("nice weather today", "vader_tweets", "train", {"violence": 0}),
    ]
    joined = join_some(rows, random.Random(1), 1.0)
    assert joined[1:] == ["a public row", "nice weather today"]
    assert "you will pay" in joined[0]
    assert "nice weather today" in joined[0]
    assert join_some(rows, random.Random(1), 0.0) == [row.text for row in rows]


def test_ranking_costs_more_when_a_negative_stands_above_a_positive():
    labels, weights, usual = torch.tensor([1.0, 0.0, 0.0]), torch.ones(3), torch.tensor([False, True, True])
    good = rank_loss(torch.tensor([4.0, -3.0, -4.0]), labels, weights, usual)
    bad = rank_loss(torch.tensor([-1.0, -4.0, 2.0]), labels, weights, usual)
    assert 0 <= good < 0.01 < 0.5 < bad
    hostile = rank_loss(torch.tensor([-1.0, -4.0, 2.0]), labels, weights, torch.tensor([False, True, False]))
    assert hostile < 0.1


def test_ranking_ignores_what_nobody_judged():
    labels, usual = torch.tensor([1.0, 0.0]), torch.ones(2, dtype=torch.bool)
    assert rank_loss(torch.tensor([0.0, 9.0]), labels, torch.tensor([1.0, 0.0]), usual) == 0
    assert rank_loss(torch.tensor([0.0, 9.0]), labels, torch.tensor([0.0, 1.0]), usual) == 0


def test_early_outputs_train_beside_the_network_and_can_be_left_out():
    torch.manual_seed(1)
    ids, mask = torch.randint(1000, 2000, (2, 7)), torch.ones((2, 7), dtype=torch.int64)
    judge = Judge(("violence", "hate"), early=(2, 3)).eval()
    last, second, third = judge.answers(ids, mask)
    assert last.shape == second.shape == third.shape == (2, 2)
    assert not torch.equal(second, third)
    third.sum().backward()
    assert judge.layers[0].inner.weight.grad.abs().sum() > 0
    assert judge.layers[5].inner.weight.grad is None
    plain = Judge(("violence", "hate")).eval()
    plain.take(judge.state_dict())
    assert torch.equal(plain(ids, mask), last)
    with pytest.raises(ValueError, match="another network"):
        plain.take({"words.weight": torch.zeros(1)})


def test_who_says_what_the_teacher_says_learns_nothing_more():
    said = torch.randn(3, len(ALL_HEADS))
    logits = said.clone().requires_grad_()
    taught_loss(logits, said).backward()
    assert logits.grad.abs().max() < 1e-6
    away = (said + 1.0).requires_grad_()
    taught_loss(away, said).backward()
    assert (away.grad > 0).all()


def test_a_teacher_is_heard_about_the_very_text_whatever_is_done_to_it(tmp_path: Path):
    texts = ["they will pay for this", "what a fine day", "see you at the match"]
    logits = np.arange(3 * len(ALL_HEADS), dtype=np.float32).reshape(3, -1)
    np.savez(tmp_path / "taught.npz", texts=np.array(texts), logits=logits)
    taught = read_taught(tmp_path / "taught.npz")
    rows = [Row(text, "gab", "train", {"violence": place % 2}) for place, text in enumerate(texts)]
    options = argparse.Namespace(batch=2, joined=0.0, noisy=1.0, violent=1.0)
    tokenizer = load_tokenizer(find_pretrained(), 96)
    seen = {}
    for _, _, labels, _, _, said in batches_of(rows, tokenizer, random.Random(3), options, taught):
        seen |= {tuple(one): int(label[0]) for one, label in zip(said.tolist(), labels, strict=True)}
    assert seen == {tuple(one): place % 2 for place, one in enumerate(logits.tolist())}
    for *_, said in batches_of(rows, tokenizer, random.Random(3), options):
        assert said.shape[1] == 0
