"""PyTorch models with the interface of TensorFlow models, for `benchmarks.speed.equivalence`.

Weights, images and noise are converted from TensorFlow's layout, and outputs back to it. Images and
kernels change from [..., h, w, c] to [..., c, h, w] and are mirrored, see
`benchmarks.speed.torch_images`. Adam's epsilon is rescaled in each step: Keras adds it to the root
of the second moment before the bias correction, PyTorch after it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.speed.torch_images import EPSILON

BLOCK_WEIGHTS = 16  # kernels and biases of a layer of a language model
GRID = 7  # rows and columns of every feature map that is flattened


class ImageModelAdapter:
    """A PyTorch image model with the interface of a TensorFlow model."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.prior = [WeightAdapter(value) for value in getattr(model, "prior", [])]
        self.steps = 0

    def __getattr__(self, part: str) -> "NetworkAdapter":
        return NetworkAdapter(getattr(self.model, part))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "noise":
            noise = value(None)
            is_pair = isinstance(noise, tuple)  # steps and noise of a diffusion model
            converted = tuple(map(to_torch, noise)) if is_pair else to_torch(noise)
            self.model.noise = lambda _: converted
        else:
            super().__setattr__(name, value)

    def train_step(self, batch: Any) -> dict[str, float]:
        self.steps += 1
        for optimizer in vars(self.model).values():
            if isinstance(optimizer, torch.optim.Adam):
                for group in optimizer.param_groups:
                    group["eps"] = EPSILON / math.sqrt(1 - group["betas"][1] ** self.steps)
        logs = self.model.train_step(self.convert_batch(batch))
        return {name: float(value) for name, value in logs.items()}

    def convert_batch(self, images: Any) -> torch.Tensor:
        return to_torch(images)

    def sample(self, noise: Any, steps: int) -> np.ndarray:
        """Images from noise, both [b, h, w, c]."""
        return to_tensorflow(self.model.sample(to_torch(noise), steps))


class TextModelAdapter(ImageModelAdapter):
    """A PyTorch text model with the interface of a TensorFlow model."""

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Copies the Keras variables of the zoo's model, in their order."""
        arrays = [array for weight in weights for array in text_model_arrays(weight)]
        for parameter, array in zip(self.model.parameters(), arrays, strict=True):
            parameter.data.copy_(torch.from_numpy(array.copy()))

    def convert_batch(self, batch: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(map(_text_input, batch))

    def generate(self, source: Any, max_length: int) -> np.ndarray:
        return self.model.generate(_text_input(source), max_length).numpy()


class LanguageModelAdapter(TextModelAdapter):
    """A PyTorch language model with the interface of a TensorFlow model."""

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Copies the zoo's variables; query, key and value become one product."""
        arrays = [np.array(w).T if w.name == "kernel" else np.array(w) for w in weights]
        joined = arrays[:2]  # embeddings of tokens and of positions
        for start in range(2, len(arrays) - 2, BLOCK_WEIGHTS):
            block = arrays[start : start + BLOCK_WEIGHTS]
            joined += [np.concatenate(block[:6:2]), np.concatenate(block[1:6:2]), *block[6:]]
        joined += arrays[-2:]  # the last normalization
        for parameter, array in zip(self.model.parameters(), joined, strict=True):
            parameter.data.copy_(torch.from_numpy(array))

    def convert_batch(self, batch: Any) -> torch.Tensor:
        return _text_input(batch)


def _text_input(value):
    """Image features unchanged, token ids as int64."""
    tensor = torch.from_numpy(np.array(value))
    return tensor if tensor.is_floating_point() else tensor.long()


class NetworkAdapter:
    """A PyTorch module with the interface of a Keras network."""

    def __init__(self, module: nn.Module):
        self.module = module

    def set_weights(self, arrays: Sequence[np.ndarray]) -> None:
        names = [name for name, value in self.module.state_dict().items() if value.ndim]
        weights = {n: torch_weight(array) for n, array in zip(names, arrays, strict=True)}
        self.module.load_state_dict(weights, strict=False)  # without num_batches_tracked

    def __call__(self, *values: Any) -> np.ndarray:
        with torch.no_grad():
            outputs = self.module.eval()(*map(to_torch, values))
        self.module.train()
        return to_tensorflow(outputs)


class WeightAdapter:
    """A PyTorch parameter with the interface of a Keras variable."""

    def __init__(self, parameter: nn.Parameter):
        self.parameter = parameter

    def assign(self, value: Any) -> None:
        self.parameter.data.copy_(to_torch(value))


def to_torch(value: Any) -> torch.Tensor:
    """Images mirrored and with channels first; other arrays unchanged."""
    value = np.array(value)
    if value.ndim == 4:
        value = value[:, ::-1, ::-1].transpose(0, 3, 1, 2)
    return torch.from_numpy(value.copy())


def to_tensorflow(tensor: torch.Tensor) -> np.ndarray:
    """The inverse of `to_torch`."""
    array = tensor.numpy()
    return array if array.ndim < 4 else array.transpose(0, 2, 3, 1)[:, ::-1, ::-1]


def torch_weight(array: np.ndarray) -> torch.Tensor:
    """A Keras weight in the layout of the PyTorch layer of the same kind."""
    if array.ndim == 4:
        array = array[::-1, ::-1].transpose(3, 2, 0, 1)
    else:
        for axis, size in enumerate(array.shape):
            if size % GRID**2 == 0:  # a flattened feature map
                grid = np.arange(size).reshape(GRID, GRID, -1)[::-1, ::-1]
                array = np.take(array, grid.transpose(2, 0, 1).ravel(), axis)
        array = array.T
    return torch.from_numpy(array.copy())


def text_model_arrays(weight: Any) -> list[np.ndarray]:
    """The PyTorch parameters that correspond to one Keras variable of a text model."""
    array = np.array(weight)
    if "gru_cell" in weight.path:
        z, r, new = np.split(array, 3, -1)
        array = np.concatenate([r, z, new], -1)
    if weight.path.endswith("bias"):
        return [*np.atleast_2d(array)]  # a GRU has two: for the input and for the state
    is_embedding = weight.path.endswith("embeddings")
    return [array if is_embedding else array.T]
