"""Writes trained weights as the files that ship: an int8 ONNX graph, the tokenizer and text.json.

The graph is quantised per channel. Calibration and thresholds are filled in by `training.calibrate`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from rich.console import Console

from parley.screening.text_model import FIRST, REST
from training.early import DEPTH, fit_early
from training.encoder import ATTENTION_HEADS, EPSILON, LAYERS, Judge, find_pretrained, inner_of, mean_of
from training.graph import build_graphs
from training.heads import ALL_HEADS, HEADS
from training.prepare import WORK
from training.scoring import open_graph
from training.train import load_tokenizer

MOST_TOKENS = 128
"""Position embeddings that ship: the longest text that the graph can take."""

console = Console()


def judge_that_ships(state: dict[str, torch.Tensor]) -> Judge:
    """Return the network with the outputs that ship, ready to be exported."""
    state = dict(state)
    columns = [ALL_HEADS.index(head) for head in HEADS]
    state["output.weight"] = state["output.weight"][columns]
    state["output.bias"] = state["output.bias"][columns]
    judge = Judge(HEADS, inner=inner_of(state))
    judge.take(state)
    return judge.eval()


def write_graphs(judge: Judge, early: tuple[NDArray[np.float32], NDArray[np.float32]], first: Path, rest: Path) -> None:
    """Write the graphs in full precision, and check that they give what the network gives."""
    weights = {name: value.numpy() for name, value in judge.state_dict().items()}
    weights |= {"early.weight": early[0], "early.bias": early[1]}
    sizes = {"layers": LAYERS, "depth": DEPTH, "heads": ATTENTION_HEADS, "tokens": MOST_TOKENS}
    build_graphs(weights, first, rest, epsilon=EPSILON, **sizes)
    ids = torch.randint(1000, 20000, (4, 20))
    with torch.no_grad():
        counted = torch.ones_like(ids)
        expected = judge(ids, counted).numpy()
        expected_early = judge.encode(ids, counted, DEPTH).numpy() @ early[0].T + early[1]
    states, found_early = open_graph(first).run(None, {"input_ids": ids.numpy()})
    second = open_graph(rest)
    found = second.run(None, {second.get_inputs()[0].name: states})[0]
    np.testing.assert_allclose(found_early, expected_early, atol=2e-3)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def shrink(full: Path, small: Path) -> None:
    """Store the graph's weights in int8, per channel; activations are quantised as they come."""
    quantize_dynamic(
        str(full),
        str(small),
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gather"],
        nodes_to_exclude=["MatMul:scored", "Gather:first"],
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def export(paths: list[Path], folder: Path, work: Path) -> None:
    """Write text.onnx, text.rest.onnx and tokenizer.json into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    judge = judge_that_ships(mean_of(paths))
    early = fit_early(judge, load_tokenizer(find_pretrained(), MOST_TOKENS), work)
    with tempfile.TemporaryDirectory() as scratch:
        full = [Path(scratch) / name for name in (FIRST, REST)]
        write_graphs(judge, early, *full)
        for path in full:
            shrink(path, folder / path.name)
    shutil.copy(find_pretrained() / "tokenizer.json", folder / "tokenizer.json")
    console.print(f"{folder}: {sum((folder / path.name).stat().st_size for path in full) / 1e6:.1f} MB")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, nargs="+", help="mean-N.pt files; several are averaged")
    parser.add_argument("--to", type=Path, default=WORK / "export", help="folder of the result")
    parser.add_argument("--work", type=Path, default=WORK, help="folder with the prepared rows")
    options = parser.parse_args()
    export(options.weights, options.to, options.work)


if __name__ == "__main__":
    main()
