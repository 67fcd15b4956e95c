"""Fine-tuning: what is joined keeps its label, and the ranking loss looks at the highest negatives."""

import random

import pytest

from training.heads import Row

torch = pytest.importorskip("torch")
from training.encoder import Judge  # noqa: E402
from training.train import join_some, rank_loss  # noqa: E402


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
