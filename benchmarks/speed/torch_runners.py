"""The loops that train, and answer, in PyTorch."""

import itertools

import torch

from benchmarks.speed.synthetic_data import SAID, prepared
from benchmarks.speed.variants import settings


def loop(name, make, found, batch_size, protocol):
    """Fed by indexing tensors."""
    torch.manual_seed(0)
    tensors = fed(name, found)
    model = make(**settings(name))
    while True:
        for rows in torch.randperm(len(tensors[0])).split(batch_size):
            batch = tuple(tensor[rows] for tensor in tensors)
            protocol.send(model.train_step(batch if len(batch) > 1 else batch[0]))


def decode(name, make, found, batch_size, protocol):
    """What a model answers, one batch of sources after the other."""
    torch.manual_seed(0)
    model = make(**settings(name))
    for source in itertools.cycle(fed(name, found)[0].split(batch_size)):
        protocol.send({"words": model.generate(source, max_length=SAID).numel()})


def fed(name, found):
    """Examples as tensors: images with their channels first; or a pair, ids as they are indexed."""
    ready = prepared(name, found)
    if not isinstance(ready, tuple):
        return (torch.from_numpy(ready.transpose(0, 3, 1, 2)),)
    tensors = map(torch.from_numpy, ready)
    return tuple(x if x.is_floating_point() else x.long() for x in tensors)


def threads():
    """How many work within and across operations."""
    return {"intra_op": torch.get_num_threads(), "inter_op": torch.get_num_interop_threads()}
