"""The image models in PyTorch: in the usual style, tuned for a CPU, and compiled.

In layers with stride 2, PyTorch pads at the start of each axis and TensorFlow at its end. With the
usual `padding` and `output_padding`, these models compute mirrored images, at equal work.
"""

import functools
import math

import torch
import torch._functorch.config
from torch import nn
from torch.nn import functional as F

EPSILON = 1e-7  # of Adam, as in Keras

# The networks.


def encoder(latent_dim: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, 2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 2 * latent_dim),
    )


def decoder(latent_dim: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(latent_dim, 32 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 64, 3, 2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 3, 2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 3, padding=1),
    )


def generator(latent_dim: int = 100) -> nn.Sequential:
    norm = {"eps": 1e-3, "momentum": 0.01}  # as in Keras
    return nn.Sequential(
        nn.Linear(latent_dim, 256 * 7 * 7, bias=False),
        nn.BatchNorm1d(256 * 7 * 7, **norm),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, (256, 7, 7)),
        nn.ConvTranspose2d(256, 128, 5, padding=2, bias=False),
        nn.BatchNorm2d(128, **norm),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(128, 64, 5, 2, padding=2, output_padding=1, bias=False),
        nn.BatchNorm2d(64, **norm),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(64, 1, 5, 2, padding=2, output_padding=1),
        nn.Tanh(),
    )


def discriminator(dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 64, 5, 2, padding=2),
        nn.LeakyReLU(0.2),
        nn.Dropout(dropout),
        nn.Conv2d(64, 128, 5, 2, padding=2),
        nn.LeakyReLU(0.2),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(128 * 7 * 7, 1),
    )


# The VAE's loss.


def log_normal_pdf(
    z: torch.Tensor, mean: torch.Tensor | float, scale: torch.Tensor
) -> torch.Tensor:
    square = ((z - mean) / scale) ** 2
    return torch.sum(-0.5 * (square + math.log(2 * math.pi)) - torch.log(scale), -1)


def log_mixture_pdf(
    z: torch.Tensor, mean: torch.Tensor, raw_scale: torch.Tensor, logits: torch.Tensor
) -> torch.Tensor:
    components = log_normal_pdf(z[:, None], mean, F.softplus(raw_scale))
    return torch.logsumexp(F.log_softmax(logits, 0) + components, -1)


def initial_mixture(
    components: int = 16, latent_dim: int = 2
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Initial means, raw scales (unit after softplus) and logits of a mixture prior."""
    shape = (components, latent_dim)
    return torch.randn(shape), torch.full(shape, 0.5413), torch.zeros(components)


# The models.


class TorchVAE(nn.Module):
    """The VAE; optional mixture prior."""

    def __init__(self, mixture: bool = False, tuned: bool = False, compiled: bool = False):
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder()
        self.prior = nn.ParameterList(initial_mixture() if mixture else [])
        if tuned:
            self.to(memory_format=torch.channels_last)
        if compiled:
            self.negative_elbo = torch.compile(self.negative_elbo)
        self.optimizer = adam(self, 1e-3, tuned)

    def noise(self, mean: torch.Tensor) -> torch.Tensor:
        return torch.randn_like(mean)

    def negative_elbo(self, x: torch.Tensor) -> torch.Tensor:
        mean, raw_scale = self.encoder(x).chunk(2, 1)
        scale = F.softplus(raw_scale + 1e-5)
        z = mean + scale * self.noise(mean)
        logits = self.decoder(z)
        nll = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        unit = torch.ones_like(z)
        log_p = log_mixture_pdf(z, *self.prior) if len(self.prior) else log_normal_pdf(z, 0.0, unit)
        return nll + torch.mean(log_normal_pdf(z, mean, scale) - log_p)

    def train_step(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        self.optimizer.zero_grad()
        loss = self.negative_elbo(x)
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach()}


class TorchDCGAN(nn.Module):
    """The DCGAN with TensorFlow's step: both losses from one pass, then both updates."""

    def __init__(self, dropout: float, tuned: bool = False, compiled: bool = False):
        super().__init__()
        self.generator, self.discriminator = generator(), discriminator(dropout)
        if tuned:
            self.to(memory_format=torch.channels_last)
        if compiled:
            torch._functorch.config.donated_buffer = False  # required by retain_graph=True
            self.generator.compile()
            self.discriminator.compile()
        self.generator_optimizer = adam(self.generator, 1e-4, tuned)
        self.discriminator_optimizer = adam(self.discriminator, 1e-4, tuned)

    def noise(self, images: torch.Tensor) -> torch.Tensor:
        return torch.randn(len(images), 100)

    def train_step(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        fakes = self.generator(self.noise(images))
        real_logits, fake_logits = self.discriminator(images), self.discriminator(fakes)
        ones, zeros = torch.ones_like(real_logits), torch.zeros_like(fake_logits)
        entropy = F.binary_cross_entropy_with_logits
        gen_loss = entropy(fake_logits, ones)
        disc_loss = entropy(real_logits, ones) + entropy(fake_logits, zeros)
        self.generator_optimizer.zero_grad()
        self.discriminator_optimizer.zero_grad()
        gen_loss.backward(inputs=[*self.generator.parameters()], retain_graph=True)
        disc_loss.backward(inputs=[*self.discriminator.parameters()])
        self.generator_optimizer.step()
        self.discriminator_optimizer.step()
        return {"generator_loss": gen_loss.detach(), "discriminator_loss": disc_loss.detach()}


def adam(module: nn.Module, learning_rate: float, fused: bool) -> torch.optim.Adam:
    """Adam with the epsilon of Keras."""
    return torch.optim.Adam(module.parameters(), learning_rate, eps=EPSILON, fused=fused)


MODELS = {
    "vae": TorchVAE,
    "mixture_vae": functools.partial(TorchVAE, mixture=True),
    "dcgan": TorchDCGAN,
}
STYLES = {
    style: {name: functools.partial(make_model, **kwargs) for name, make_model in MODELS.items()}
    for style, kwargs in {
        "pytorch": {},
        "pytorch tuned": {"tuned": True},
        "pytorch compiled": {"tuned": True, "compiled": True},
    }.items()
}
