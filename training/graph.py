"""Builds the ONNX graph of the encoder by hand, from the fused operators that ONNX Runtime has for BERT.

The exporter's graph has ten times as many nodes and half the speed. `training.export` checks that both give the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = dict[str, NDArray[np.float32]]


class _Graph:
    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(value.copy(order="C"), name))
        return name

    def weight(self, name: str, *, turned: bool = False) -> str:
        return self.constant(name, self.weights[name].T if turned else self.weights[name])

    def add(self, kind: str, inputs: list[str], output: str, **options: Any) -> str:
        domain = "com.microsoft" if kind in _FUSED else ""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind}:{output}", domain=domain, **options))
        return output


_FUSED = ("MultiHeadAttention", "FastGelu")


def _layer(graph: _Graph, states: str, index: int, heads: int, epsilon: float) -> str:
    """One block. Query, key and value are one product: ONNX Runtime's int8 Attention makes small ones for each head."""
    own = f"layers.{index}."
    parts = ("query", "key", "value")
    weight = graph.constant(f"{own}qkv.weight", np.concatenate([graph.weights[f"{own}{p}.weight"].T for p in parts], 1))
    bias = graph.constant(f"{own}qkv.bias", np.concatenate([graph.weights[f"{own}{p}.bias"] for p in parts]))
    joined = graph.add("Add", [graph.add("MatMul", [states, weight], f"{own}product"), bias], f"{own}joined")
    split = [f"{own}{part}" for part in parts]
    graph.nodes.append(helper.make_node("Split", [joined], split, name=f"Split:{own}", axis=-1))
    mixed = graph.add("MultiHeadAttention", split, f"{own}mixed", num_heads=heads)
    attended = graph.add("MatMul", [mixed, graph.weight(f"{own}attended.weight", turned=True)], f"{own}attended")
    middle = _add_and_norm(graph, attended, states, f"{own}attended", epsilon)
    inner = graph.add("MatMul", [middle, graph.weight(f"{own}inner.weight", turned=True)], f"{own}inner")
    inner = graph.add("FastGelu", [inner, graph.weight(f"{own}inner.bias")], f"{own}gelu")
    outer = graph.add("MatMul", [inner, graph.weight(f"{own}outer.weight", turned=True)], f"{own}outer")
    return _add_and_norm(graph, outer, middle, f"{own}outer", epsilon)


def _add_and_norm(graph: _Graph, new: str, states: str, name: str, epsilon: float) -> str:
    """The sum of a part's output, its bias and what went in, normalised.

    In three nodes: ONNX Runtime's fused SkipLayerNormalization takes four times as long on a CPU (75 and 20
    microseconds for 45 tokens of 384). The session that runs the graph must not fuse them either.
    """
    biased = graph.add("Add", [new, graph.weight(f"{name}.bias")], f"{name}_biased")
    summed = graph.add("Add", [biased, states], f"{name}_summed")
    norm = [graph.weight(f"{name}_norm.{part}") for part in ("weight", "bias")]
    return graph.add("LayerNormalization", [summed, *norm], f"{name}_states", axis=-1, epsilon=epsilon)


def build_graphs(
    weights: Weights, first: Path, rest: Path, *, layers: int, depth: int, heads: int, tokens: int, epsilon: float
) -> None:
    """Write two graphs in full precision.

    `first`: input_ids, int64 [n, tokens], to states [n, tokens, width] after `depth` layers, and to the early logits
    [n, heads]. `rest`: those states to logits [n, heads]. There is no mask, for each text is run alone: every token
    counts. `weights` has `early.weight` and `early.bias` besides the network's own.
    """
    graph = _Graph(weights)
    words = graph.add("Gather", [graph.weight("words.weight"), "input_ids"], "words")
    places = graph.constant("places", weights["places.weight"][:tokens] + weights["kinds.weight"][0])
    length = graph.add("Shape", ["input_ids"], "length", start=1, end=2)
    zero = graph.constant("zero", np.array([0], dtype=np.int64))
    located = graph.add("Slice", [places, zero, length, zero], "located")
    summed = graph.add("Add", [words, located], "summed")
    norm = [graph.weight("norm.weight"), graph.weight("norm.bias")]
    states = graph.add("LayerNormalization", [summed, *norm], "embedded", axis=-1, epsilon=epsilon)
    for index in range(depth):
        states = _layer(graph, states, index, heads, epsilon)
    _answer(graph, states, "early", "early")
    count, width = len(weights["output.bias"]), weights["words.weight"].shape[1]
    given = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "tokens"])
    between = helper.make_tensor_value_info(states, TensorProto.FLOAT, ["n", "tokens", width])
    _save(graph, first, given, [between, helper.make_tensor_value_info("early", TensorProto.FLOAT, ["n", count])])

    graph = _Graph(weights)
    states = between.name
    for index in range(depth, layers):
        states = _layer(graph, states, index, heads, epsilon)
    _answer(graph, states, "output", "logits")
    _save(graph, rest, between, [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", count])])


def _answer(graph: _Graph, states: str, weights: str, output: str) -> None:
    """One linear output per head, from the mean over the tokens beside the first token's state."""
    mean = graph.add("ReduceMean", [states], "mean", axes=[1], keepdims=0)
    first_place = graph.constant("first_place", np.array(0, dtype=np.int64))
    first = graph.add("Gather", [states, first_place], "first", axis=1)
    both = graph.add("Concat", [mean, first], "both", axis=1)
    scored = graph.add("MatMul", [both, graph.weight(f"{weights}.weight", turned=True)], "scored")
    graph.add("Add", [scored, graph.weight(f"{weights}.bias")], output)


def _save(graph: _Graph, path: Path, given: onnx.ValueInfoProto, outputs: list[onnx.ValueInfoProto]) -> None:
    proto = helper.make_graph(graph.nodes, "judge", [given], outputs, graph.constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(proto, opset_imports=opsets, ir_version=8, producer_name="parley"), str(path))
