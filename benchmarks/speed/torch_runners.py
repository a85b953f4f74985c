"""Training and decoding loops in PyTorch, with the arguments of `benchmarks.speed.tf_runners`."""

import itertools
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch

from benchmarks.speed.synthetic_data import SAMPLING_STEPS, decoded_length, prepare
from benchmarks.speed.variants import model_arguments


def loop(
    name: str,
    make_model: Callable[..., Any],
    examples: np.ndarray | dict[str, np.ndarray],
    batch_size: int,
    timer: Generator[None, Any, None],
) -> None:
    """Trains on batches that are made by indexing tensors."""
    torch.manual_seed(0)
    tensors = _to_tensors(name, examples)
    model = make_model(**model_arguments(name))
    while True:
        for rows in torch.randperm(len(tensors[0])).split(batch_size):
            batch = tuple(tensor[rows] for tensor in tensors)
            timer.send(model.train_step(batch if len(batch) > 1 else batch[0]))


def decode(
    name: str,
    make_model: Callable[..., Any],
    examples: dict[str, np.ndarray],
    batch_size: int,
    timer: Generator[None, Any, None],
) -> None:
    """`generate` for one batch of sources after the other."""
    torch.manual_seed(0)
    model = make_model(**model_arguments(name))
    for source in itertools.cycle(_to_tensors(name, examples)[0].split(batch_size)):
        tokens = model.generate(source, max_length=decoded_length(name))
        timer.send({"tokens": tokens.numel()})


def sample(
    name: str,
    make_model: Callable[..., Any],
    examples: np.ndarray,
    batch_size: int,
    timer: Generator[None, Any, None],
) -> None:
    """`sample` of a batch of images, again and again."""
    torch.manual_seed(0)
    model = make_model(**model_arguments(name))
    shape = _to_tensors(name, examples)[0][:batch_size].shape
    while True:
        noise = torch.randn(shape)
        timer.send({"images": model.sample(noise, SAMPLING_STEPS).mean()})


def _to_tensors(name, examples):
    """Examples as tensors: images [n, c, h, w]; or one or two arrays, with token ids as int64."""
    prepared = prepare(name, examples)
    arrays = prepared if isinstance(prepared, tuple) else (prepared,)
    if arrays[0].ndim == 4 and len(arrays) == 1:
        return (torch.from_numpy(prepared.transpose(0, 3, 1, 2)),)
    tensors = map(torch.from_numpy, arrays)
    return tuple(x if x.is_floating_point() else x.long() for x in tensors)


def threads() -> dict[str, int]:
    """Threads within and across operations."""
    return {"intra_op": torch.get_num_threads(), "inter_op": torch.get_num_interop_threads()}
