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
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from rich.console import Console

from training.encoder import ATTENTION_HEADS, EPSILON, LAYERS, Judge, find_pretrained
from training.graph import build_graph
from training.heads import ALL_HEADS, HEADS
from training.prepare import WORK

MOST_TOKENS = 128
"""Position embeddings that ship: the longest text that the graph can take."""

console = Console()


def mean_of(paths: list[Path]) -> dict[str, torch.Tensor]:
    """Return the mean of several runs' weights."""
    states = [torch.load(path, weights_only=True) for path in paths]
    return {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}


def judge_that_ships(state: dict[str, torch.Tensor]) -> Judge:
    """Return the network with the outputs that ship, ready to be exported."""
    state = dict(state)
    columns = [ALL_HEADS.index(head) for head in HEADS]
    state["output.weight"] = state["output.weight"][columns]
    state["output.bias"] = state["output.bias"][columns]
    judge = Judge(HEADS)
    judge.load_state_dict(state)
    return judge.eval()


def write_graph(judge: Judge, path: Path) -> None:
    """Write the graph in full precision, and check that it gives what the network gives."""
    weights = {name: value.numpy() for name, value in judge.state_dict().items()}
    build_graph(weights, path, layers=LAYERS, heads=ATTENTION_HEADS, tokens=MOST_TOKENS, epsilon=EPSILON)
    ids = torch.randint(1000, 20000, (4, 20))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = judge(ids, torch.ones_like(ids)).numpy()
    found = session.run(["logits"], {"input_ids": ids.numpy()})[0]
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


def export(paths: list[Path], folder: Path) -> None:
    """Write text.onnx and tokenizer.json into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch) / "full.onnx"
        write_graph(judge_that_ships(mean_of(paths)), full)
        shutil.copy(full, folder.parent / f"{folder.name}.full.onnx")
        shrink(full, folder / "text.onnx")
    shutil.copy(find_pretrained() / "tokenizer.json", folder / "tokenizer.json")
    console.print(f"{folder / 'text.onnx'}: {(folder / 'text.onnx').stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, nargs="+", help="mean-N.pt files; several are averaged")
    parser.add_argument("--to", type=Path, default=WORK / "export", help="folder of the result")
    options = parser.parse_args()
    export(options.weights, options.to)


if __name__ == "__main__":
    main()
