"""PyTorch's models as the check sees them: TensorFlow's weights, images and noise, in and out.

Images and kernels change from [..., h, w, c] to [..., c, h, w] and are mirrored, see
`benchmarks.speed.torch_images`. Adam's epsilon is rescaled at each step: Keras adds it to the root
of the second moment before the correction of its bias, PyTorch after.
"""

import math

import numpy as np
import torch

from benchmarks.speed.torch_images import EPSILON

GRID = 7  # rows and columns of every feature map that is flattened


class Mirror:
    """A PyTorch model with the face of a TensorFlow one."""

    def __init__(self, model):
        self.model = model
        self.prior = [Weight(value) for value in getattr(model, "prior", [])]
        self.steps = 0

    def __getattr__(self, part):
        return Network(getattr(self.model, part))

    def __setattr__(self, name, value):
        if name == "noise":
            noise = to_torch(value(None))
            self.model.noise = lambda _: noise
        else:
            super().__setattr__(name, value)

    def train_step(self, images):
        self.steps += 1
        for optimizer in vars(self.model).values():
            if isinstance(optimizer, torch.optim.Adam):
                for group in optimizer.param_groups:
                    group["eps"] = EPSILON / math.sqrt(1 - group["betas"][1] ** self.steps)
        return {name: float(v) for name, v in self.model.train_step(self.fed(images)).items()}

    def fed(self, images):
        return to_torch(images)


class Reader(Mirror):
    """A PyTorch model of words with the face of a TensorFlow one."""

    def set_weights(self, weights):
        """Those of the zoo's model, a Keras variable each, in their order."""
        arrays = [array for weight in weights for array in torch_words_weights(weight)]
        for parameter, array in zip(self.model.parameters(), arrays, strict=True):
            parameter.data.copy_(torch.from_numpy(array.copy()))

    def fed(self, batch):
        return tuple(self.given(value) for value in batch)

    def given(self, value):
        """Features as they are, ids as they are indexed."""
        tensor = torch.from_numpy(np.array(value))
        return tensor if tensor.is_floating_point() else tensor.long()

    def generate(self, source, max_length):
        return self.model.generate(self.given(source), max_length).numpy()


class Network:
    def __init__(self, module):
        self.module = module

    def set_weights(self, arrays):
        names = [name for name, value in self.module.state_dict().items() if value.ndim]
        weights = {n: torch_weight(array) for n, array in zip(names, arrays, strict=True)}
        self.module.load_state_dict(weights, strict=False)  # without the count of batches seen

    def __call__(self, value):
        with torch.no_grad():
            outputs = self.module.eval()(to_torch(value)).numpy()
        self.module.train()
        return outputs if outputs.ndim < 4 else outputs.transpose(0, 2, 3, 1)[:, ::-1, ::-1]


class Weight:
    def __init__(self, parameter):
        self.parameter = parameter

    def assign(self, value):
        self.parameter.data.copy_(to_torch(value))


def to_torch(value):
    """Images mirrored and with their channels first; anything else as it is."""
    value = np.array(value)
    if value.ndim == 4:
        value = value[:, ::-1, ::-1].transpose(0, 3, 1, 2)
    return torch.from_numpy(value.copy())


def torch_weight(array):
    """Any of Keras' weights, as PyTorch's layer of the same kind has it."""
    if array.ndim == 4:
        array = array[::-1, ::-1].transpose(3, 2, 0, 1)
    else:
        for axis, size in enumerate(array.shape):
            if size % GRID**2 == 0:  # a flattened feature map
                grid = np.arange(size).reshape(GRID, GRID, -1)[::-1, ::-1]
                array = np.take(array, grid.transpose(2, 0, 1).ravel(), axis)
        array = array.T
    return torch.from_numpy(array.copy())


def torch_words_weights(weight):
    """The arrays that PyTorch keeps in place of one of Keras' variables of a model of words."""
    array, table = np.array(weight), weight.path.endswith("embeddings")
    if "gru_cell" in weight.path:
        z, r, new = np.split(array, 3, -1)
        array = np.concatenate([r, z, new], -1)
    if weight.path.endswith("bias"):
        return [*np.atleast_2d(array)]  # of a GRU two: with the input and with the state
    return [array if table else array.T]
