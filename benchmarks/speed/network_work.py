"""Counts the parameters and the operations of PyTorch networks.

    python -m benchmarks.speed.network_work ddpm

At equal widths, the networks of some packages differ from the zoo's. Their times can only be
compared together with the work. The network of "pytorch" is the zoo's, layer by layer. Prints JSON.
"""

import argparse
import json
from collections.abc import Iterable

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.variants import SAME_WORK, VARIANTS, factory, model_arguments


def network_work(model: str, variants: Iterable[str]) -> dict[str, dict[str, float]]:
    """Variant -> {"parameters", "gflop_per_image"} of a forward pass; a multiply-add is 2."""
    return {variant: _count(model, variant) for variant in variants}


def _count(model, variant):
    made = factory(variant, model)(**model_arguments(model))
    image = torch.zeros((1, 1, 28, 28))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        made.network(image, torch.ones(1, dtype=torch.long))
    parameters = sum(parameter.numel() for parameter in made.network.parameters())
    return {"parameters": parameters, "gflop_per_image": counter.get_total_flops() / 1e9}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    names = [name for name, each in VARIANTS.items() if not each.same_network]
    parser.add_argument("--variants", nargs="+", default=[SAME_WORK, *names])
    options = parser.parse_args()
    print(json.dumps(network_work(options.model, options.variants)))
