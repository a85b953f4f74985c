"""`ddpm` in PyTorch: in the usual style, tuned for a CPU, and compiled.

The network is that of `benchmarks.speed.tf_diffusion`, layer by layer; images are mirrored, see
`benchmarks.speed.torch_images`.
"""

import copy
import functools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.speed.torch_images import adam

FILTERS = (32, 64, 128)
TIMESTEPS = 1000
EMA = 0.999
HEADS = 4
ALPHA_BAR = torch.tensor(
    np.cumprod(1 - np.linspace(1e-4, 0.02, TIMESTEPS), dtype=np.float64), dtype=torch.float32
)


def conv(inputs: int, filters: int, size: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, filters, size, stride, padding=size // 2, bias=bias)


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(8, channels, eps=1e-5)


class Residual(nn.Module):
    """Two convolutions with group normalization, the second one modulated by the time."""

    def __init__(self, inputs: int, filters: int):
        super().__init__()
        self.norm = norm(inputs)
        self.conv = conv(inputs, filters, bias=False)
        self.modulation = nn.Linear(4 * FILTERS[0], 2 * filters)
        self.output_norm = norm(filters)
        self.output_conv = conv(filters, filters)
        same = inputs == filters
        self.skip = nn.Identity() if same else conv(inputs, filters, 1, bias=False)

    def forward(self, inputs: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        x = self.conv(F.silu(self.norm(inputs)))
        scale, shift = self.modulation(F.silu(embedding))[..., None, None].chunk(2, 1)
        x = self.output_norm(x) * (1 + scale) + shift
        return self.skip(inputs) + self.output_conv(F.silu(x))


class SelfAttention(nn.Module):
    """Residual self-attention between the positions of a map."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = norm(channels)
        self.query, self.key, self.value, self.output_layer = (
            nn.Linear(channels, channels) for _ in range(4)
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        x = self.norm(inputs).flatten(2).transpose(1, 2)
        heads = (
            layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        context = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        return inputs + self.output_layer(context).transpose(1, 2).reshape(inputs.shape)


class UNet(nn.Module):
    """Noisy images [batch, 1, 28, 28] and steps [batch] to the predicted noise."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = FILTERS
        self.input_conv = conv(1, a)
        self.down_blocks = nn.ModuleList([Residual(a, a), Residual(b, b)])
        self.downsamples = nn.ModuleList([conv(a, b, stride=2), conv(b, c, stride=2)])
        self.middle_block = Residual(c, c)
        self.attention = SelfAttention(c)
        self.output_block = Residual(c, c)
        self.up_blocks = nn.ModuleList([Residual(2 * b, b), Residual(2 * a, a)])
        self.output_norm = norm(a)
        self.upsamples = nn.ModuleList(
            [nn.ConvTranspose2d(c, b, 2, 2), nn.ConvTranspose2d(b, a, 2, 2)]
        )
        self.output_conv = nn.ConvTranspose2d(a, 1, 3, padding=1)
        self.time_hidden = nn.Linear(4 * a, 4 * a)
        self.time_output = nn.Linear(4 * a, 4 * a)

    def forward(self, x: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        embedding = self.time_output(F.silu(self.time_hidden(waves(steps))))
        x = self.input_conv(x)
        skips = []
        for block, downsample in zip(self.down_blocks, self.downsamples, strict=True):
            x = block(x, embedding)
            skips.append(x)
            x = downsample(x)
        x = self.attention(self.middle_block(x, embedding))
        x = self.output_block(x, embedding)
        for upsample, block in zip(self.upsamples, self.up_blocks, strict=True):
            x = block(torch.cat([upsample(x), skips.pop()], 1), embedding)
        return self.output_conv(F.silu(self.output_norm(x)))


def waves(steps: torch.Tensor) -> torch.Tensor:
    half = 2 * FILTERS[0]
    rates = torch.exp(-math.log(10_000) / half * torch.arange(half))
    angles = steps[:, None] * rates
    return torch.cat([torch.sin(angles), torch.cos(angles)], -1)


def usual_average(average: nn.Module, network: nn.Module) -> None:
    """One weight after the other, as in many implementations."""
    with torch.no_grad():
        for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
            mean.mul_(EMA).add_(weight, alpha=1 - EMA)


class TorchDDPM(nn.Module):
    """The model, with a second network that holds the moving average of the weights."""

    def __init__(self, dropout: float = 0.0, tuned: bool = False, compiled: bool = False):
        super().__init__()
        self.network = self.make_network()
        self.denoise = self.network
        if tuned:
            self.network.to(memory_format=torch.channels_last)
            self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(EMA))
            self.update_average = self.average.update_parameters
        else:
            self.average = copy.deepcopy(self.network)
            self.update_average = functools.partial(usual_average, self.average)
        if compiled:
            self.denoise = torch.compile(self.network)
        self.optimizer = adam(self.network, 1e-3, tuned)

    def make_network(self) -> nn.Module:
        return UNet()

    def noise(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A random step, and noise, for each image."""
        return torch.randint(1, TIMESTEPS + 1, (len(images),)), torch.randn_like(images)

    def loss(self, images: torch.Tensor) -> torch.Tensor:
        steps, noise = self.noise(images)
        alpha_bar = ALPHA_BAR[steps - 1][:, None, None, None]
        noisy = alpha_bar.sqrt() * (2 * images - 1) + (1 - alpha_bar).sqrt() * noise
        return F.mse_loss(self.denoise(noisy, steps), noise)

    def train_step(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.optimizer.zero_grad()
        loss = self.loss(images)
        loss.backward()
        self.optimizer.step()
        self.update_average(self.network)
        return {"loss": loss.detach()}

    @torch.inference_mode()
    def sample(self, noise: torch.Tensor, steps: int) -> torch.Tensor:
        """DDIM with predictions clipped to the range of pixels: images like the noise."""
        table = torch.cat([torch.ones(1), ALPHA_BAR])
        times = np.linspace(TIMESTEPS, 0, steps + 1).round().astype(int)
        x = noise
        for t, next_t in zip(times, times[1:], strict=False):
            alpha_bar, next_alpha_bar = table[t], table[next_t]
            predicted = self.denoise(x, torch.full((len(x),), t))
            data = (x - (1 - alpha_bar).sqrt() * predicted) / alpha_bar.sqrt()
            data = data.clamp(-1, 1)
            predicted = (x - alpha_bar.sqrt() * data) / (1 - alpha_bar).sqrt()
            x = next_alpha_bar.sqrt() * data + (1 - next_alpha_bar).sqrt() * predicted
        return ((x + 1) / 2).clamp(0, 1)


STYLES = {
    "pytorch": {"ddpm": TorchDDPM},
    "pytorch tuned": {"ddpm": functools.partial(TorchDDPM, tuned=True)},
    "pytorch compiled": {"ddpm": functools.partial(TorchDDPM, tuned=True, compiled=True)},
}
