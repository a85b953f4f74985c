"""`ddpm` by the U-Nets of two packages for PyTorch, at the widths of the zoo's: 32, 64 and 128.

- "diffusers": `UNet2DModel`, trained as in diffusers' example of unconditional generation, sampled
  by its `DDIMScheduler`.
- "lucidrains": `Unet` and `GaussianDiffusion` of denoising_diffusion_pytorch.

Their networks differ from the zoo's: they have more layers at the same widths, so losses and images
cannot be compared. `benchmarks.speed.network_work` counts their parameters and operations.
Everything else is tuned as in `benchmarks.speed.torch_diffusion`: channels last, fused Adam, fused
averages of the weights.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.speed.torch_diffusion import FILTERS, TIMESTEPS, TorchDDPM

HEAD_DIM = 32


class DiffusersDDPM(TorchDDPM):
    """The network and the schedules of diffusers."""

    def make_network(self) -> nn.Module:
        from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

        self.noise_schedule = DDPMScheduler(TIMESTEPS)
        self.sampler = DDIMScheduler(TIMESTEPS)
        return UNet2DModel(
            in_channels=1,
            out_channels=1,
            block_out_channels=FILTERS,
            layers_per_block=1,
            down_block_types=("DownBlock2D",) * 3,
            up_block_types=("UpBlock2D",) * 3,
            attention_head_dim=HEAD_DIM,
            norm_num_groups=8,
        )

    def loss(self, images: torch.Tensor) -> torch.Tensor:
        steps, noise = self.noise(images)
        noisy = self.noise_schedule.add_noise(2 * images - 1, noise, steps - 1)
        return F.mse_loss(self.denoise(noisy, steps - 1, return_dict=False)[0], noise)

    @torch.inference_mode()
    def sample(self, noise: torch.Tensor, steps: int) -> torch.Tensor:
        self.sampler.set_timesteps(steps)
        x = noise
        for t in self.sampler.timesteps:
            predicted = self.denoise(x, t, return_dict=False)[0]
            x = self.sampler.step(predicted, t, x, return_dict=False)[0]
        return (x / 2 + 0.5).clamp(0, 1)


class LucidrainsDDPM(TorchDDPM):
    """The network, the loss and the sampler of denoising_diffusion_pytorch."""

    def make_network(self) -> nn.Module:
        from denoising_diffusion_pytorch import Unet

        multiples = tuple(n // FILTERS[0] for n in FILTERS)
        return Unet(FILTERS[0], dim_mults=multiples, channels=1, attn_dim_head=HEAD_DIM)

    @functools.cached_property
    def diffusion(self) -> Callable[..., Any]:
        from denoising_diffusion_pytorch import GaussianDiffusion

        from benchmarks.speed.synthetic_data import SAMPLING_STEPS

        return GaussianDiffusion(
            self.denoise,
            image_size=28,
            timesteps=TIMESTEPS,
            sampling_timesteps=SAMPLING_STEPS,
            beta_schedule="linear",
            objective="pred_noise",
        )

    def loss(self, images: torch.Tensor) -> torch.Tensor:
        return self.diffusion(images)

    def sample(self, noise: torch.Tensor, steps: int) -> torch.Tensor:
        return self.diffusion.sample(len(noise))


STYLES = {
    name + suffix: {"ddpm": functools.partial(model, tuned=True, **arguments)}
    for name, model in {"diffusers": DiffusersDDPM, "lucidrains": LucidrainsDDPM}.items()
    for suffix, arguments in {"": {}, " compiled": {"compiled": True}}.items()
}
