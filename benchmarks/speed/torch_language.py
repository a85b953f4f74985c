"""`gpt` in PyTorch, in the style of nanoGPT: as it is usually written, tuned for a CPU, compiled.

The layers are those of `zoo.models.gpt`: nanoGPT's, with another epsilon in the normalizations of
a block. Training uses `F.scaled_dot_product_attention`. nanoGPT decodes without a cache; here each
variant has one:

- usual: keys and values are concatenated with those of each new token,
- tuned: they are written into a cache that is allocated once, and attention reads its first part,
- compiled: the same with a mask instead of a part, so that no shape changes, as in gpt-fast.

Parameters are in the order of the zoo's weights; query, key and value are one product.
"""

import functools
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.speed.torch_images import EPSILON
from benchmarks.speed.variants import ADAMW, CLIP_NORM

Cache = tuple[torch.Tensor, torch.Tensor]


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.projection = nn.Linear(width, 3 * width)
        self.output_layer = nn.Linear(width, width)

    def heads(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Queries, keys and values [b, heads, t, width / heads] of x [b, t, width]."""
        return [
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in self.projection(x).chunk(3, -1)
        ]

    def join(self, context: torch.Tensor) -> torch.Tensor:
        return self.output_layer(context.transpose(1, 2).flatten(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.join(F.scaled_dot_product_attention(*self.heads(x), is_causal=True))

    def prefill(self, x: torch.Tensor) -> tuple[torch.Tensor, Cache]:
        query, key, value = self.heads(x)
        context = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.join(context), (key, value)


class Block(nn.Module):
    """A pre-norm layer."""

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        self.attention = Attention(width, num_heads)
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.add_feed_forward(x + self.attention(self.attention_norm(x)))

    def add_feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.feed_forward(self.feed_forward_norm(x))

    def prefill(self, x: torch.Tensor) -> tuple[torch.Tensor, Cache]:
        context, cache = self.attention.prefill(self.attention_norm(x))
        return self.add_feed_forward(x + context), cache


class TorchGPT(nn.Module):
    """The model, its optimizer, and decoding with a cache that is concatenated."""

    def __init__(
        self,
        text_vocabulary: int,
        context_length: int,
        num_layers: int,
        hidden_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        fused: bool = False,
        compiled: bool = False,
    ):
        super().__init__()
        self.context_length = context_length
        self.embedding = nn.Embedding(text_vocabulary, hidden_dim)
        self.positions = nn.Embedding(context_length, hidden_dim)
        self.blocks = nn.ModuleList(Block(hidden_dim, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_dim, eps=1e-5)
        self.apply(_initialize)
        self.optimizer = _adamw(self, fused)
        if compiled:
            self.loss = torch.compile(self.loss)
            self.step = torch.compile(self.step)

    def loss(self, text: torch.Tensor) -> torch.Tensor:
        x = self.embed(text[:, :-1], 0)
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.logits(x).flatten(0, 1), text[:, 1:].flatten())

    def embed(self, tokens: torch.Tensor, start: int) -> torch.Tensor:
        return self.embedding(tokens) + self.positions.weight[start : start + tokens.shape[1]]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(self.norm(x), self.embedding.weight)

    def train_step(self, text: torch.Tensor) -> dict[str, torch.Tensor]:
        self.optimizer.zero_grad()
        loss = self.loss(text)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), CLIP_NORM)
        self.optimizer.step()
        return {"loss": loss.detach()}

    @torch.inference_mode()
    def generate(self, prompts: torch.Tensor, max_length: int) -> torch.Tensor:
        """The most probable token in each step: ids [b, max_length]."""
        logits, caches = self.prefill(prompts)
        decoded = [logits.argmax(-1)]
        for position in range(prompts.shape[1], prompts.shape[1] + max_length - 1):
            logits, caches = self.step(decoded[-1], torch.tensor([position]), caches)
            decoded.append(logits.argmax(-1))
        return torch.stack(decoded, 1)

    def prefill(self, prompts: torch.Tensor) -> tuple[torch.Tensor, list[Cache]]:
        """Logits after the prompts, and the cache of each block."""
        x = self.embed(prompts, 0)
        caches = []
        for block in self.blocks:
            x, cache = block.prefill(x)
            caches.append(cache)
        return self.logits(x[:, -1]), caches

    def step(
        self, tokens: torch.Tensor, position: torch.Tensor, caches: list[Cache]
    ) -> tuple[torch.Tensor, list[Cache]]:
        """Logits after one more token [b], at a position [1]."""
        x = self.embedding(tokens)[:, None] + self.positions(position)
        new_caches = []
        for block, cache in zip(self.blocks, caches, strict=True):
            query, key, value = block.attention.heads(block.attention_norm(x))
            context, cache = self.attend(query, key, value, position, cache)
            x = block.add_feed_forward(x + block.attention.join(context))
            new_caches.append(cache)
        return self.logits(x[:, -1]), new_caches

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        position: torch.Tensor,
        cache: Cache,
    ) -> tuple[torch.Tensor, Cache]:
        """The context of one step, and the cache with its key and value."""
        keys = torch.cat([cache[0], key], 2)
        values = torch.cat([cache[1], value], 2)
        return F.scaled_dot_product_attention(query, keys, values), (keys, values)


class TunedGPT(TorchGPT):
    """A fused optimizer, and a cache that is allocated once."""

    def __init__(self, **arguments: Any):
        super().__init__(**arguments, fused=True)

    def prefill(self, prompts: torch.Tensor) -> tuple[torch.Tensor, list[Cache]]:
        logits, caches = super().prefill(prompts)
        free = (0, 0, 0, self.context_length - prompts.shape[1])
        return logits, [(F.pad(keys, free), F.pad(values, free)) for keys, values in caches]

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        position: torch.Tensor,
        cache: Cache,
    ) -> tuple[torch.Tensor, Cache]:
        end = int(position) + 1
        keys, values = cache
        keys[:, :, end - 1 : end] = key
        values[:, :, end - 1 : end] = value
        return F.scaled_dot_product_attention(query, keys[:, :, :end], values[:, :, :end]), cache


class CompiledGPT(TunedGPT):
    """The tuned model, compiled: the training loss, and a decoding step of constant shapes."""

    def __init__(self, **arguments: Any):
        super().__init__(**arguments, compiled=True)

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        position: torch.Tensor,
        cache: Cache,
    ) -> tuple[torch.Tensor, Cache]:
        keys, values = cache
        keys.index_copy_(2, position, key)
        values.index_copy_(2, position, value)
        mask = torch.arange(self.context_length)[None] <= position[:, None]
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask), cache


def _initialize(module: nn.Module) -> None:
    """Section 2.3 of the paper."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def _adamw(model: TorchGPT, fused: bool) -> torch.optim.AdamW:
    """AdamW with decay of the matrices of linear layers only."""
    kernels = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    others = [p for p in model.parameters() if all(p is not kernel for kernel in kernels)]
    groups = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
    betas = (0.9, ADAMW["beta_2"])
    return torch.optim.AdamW(
        groups,
        ADAMW["learning_rate"],
        betas,
        eps=EPSILON,
        weight_decay=ADAMW["weight_decay"],
        fused=fused,
    )


STYLES = {
    style: {"gpt": functools.partial(model)}
    for style, model in {
        "pytorch": TorchGPT,
        "pytorch tuned": TunedGPT,
        "pytorch compiled": CompiledGPT,
    }.items()
}
