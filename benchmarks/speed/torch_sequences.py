"""The text models in PyTorch: a loop over the tokens in the usual style, and an optimized version.

The optimized version computes everything that needs no state outside of the loop: the keys, the
embeddings' part of the cell's product, the logits of all tokens. In the loop, the query and the
state's part of the cell are one product. Its Adam is fused, and in its process the C library reuses
freed memory.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.speed.synthetic_data import START
from benchmarks.speed.torch_images import adam
from benchmarks.speed.variants import ANNOTATION_DIM

# The networks: modules in the order of the zoo's weights.


class Attention(nn.Module):
    """Bahdanau's additive attention."""

    def __init__(self, width: int, units: int):
        super().__init__()
        self.score = nn.Linear(units, 1, bias=False)
        self.query = nn.Linear(units, units, bias=False)
        self.key = nn.Linear(width, units)

    def forward(self, query: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return self.attend(self.query(query), self.key(values), values)

    def attend(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """The context for a query, with query and keys that are already projected."""
        weights = F.softmax(self.score(torch.tanh(query[:, None] + keys)), 1)
        return torch.bmm(weights.transpose(1, 2), values)[:, 0]


class Network(nn.Module):
    """Base of both networks: trains and decodes, one token at a time."""

    def forward(
        self, tokens: torch.Tensor, hidden: torch.Tensor, annotations: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits, state) after a token."""
        x = self.embedding(tokens)
        context = self.gate_context(hidden, self.attention(hidden, annotations))
        hidden = self.gru(torch.cat([x, context], -1), hidden)
        return self.logits(x, hidden, context), hidden

    def loss(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        annotations, hidden = self.encode(source)
        steps = target.shape[1] - 1
        loss = 0.0
        for t in range(steps):
            logits, hidden = self(target[:, t], hidden, annotations)
            loss += F.cross_entropy(logits, target[:, t + 1], ignore_index=0) / steps
        return loss

    def train_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach()}

    @torch.inference_mode()
    def generate(self, source: torch.Tensor, max_length: int) -> torch.Tensor:
        """The most probable token in each step: ids [b, max_length]."""
        step, hidden = self.decoder_step(*self.encode(source))
        tokens = torch.full((len(source),), START)
        decoded = []
        for _ in range(max_length):
            logits, hidden = step(tokens, hidden)
            tokens = logits.argmax(-1)
            decoded.append(tokens)
        return torch.stack(decoded, 1)

    def decoder_step(
        self, annotations: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[Callable[..., Any], torch.Tensor]:
        """(step, initial state), where step(tokens, hidden) -> (logits, hidden)."""
        return lambda tokens, hidden: self(tokens, hidden, annotations), hidden


class Seq2Seq(Network):
    """The translation network: a bidirectional encoder."""

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        embedding_dim: int,
        units: int,
        tuned: bool = False,
    ):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocabulary, embedding_dim)
        self.embedding = nn.Embedding(target_vocabulary, embedding_dim)
        self.encoder = nn.GRU(embedding_dim, units // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(units, units)
        self.gru = nn.GRUCell(embedding_dim + units, units)
        self.attention = Attention(units, units)
        self.readout = nn.Linear(2 * units + embedding_dim, embedding_dim)
        self.output_layer = nn.Linear(embedding_dim, target_vocabulary)
        self.optimizer = adam(self, 1e-3, tuned)

    def encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        annotations, final_states = self.encoder(self.source_embedding(source))
        return annotations, torch.tanh(self.bridge(torch.cat([*final_states], -1)))

    def gate_context(self, hidden: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return context

    def logits(self, x: torch.Tensor, output: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.output_layer(torch.tanh(self.readout(torch.cat([output, context, x], -1))))


class Captioning(Network):
    """The captioning network: one linear layer on image features; gated."""

    def __init__(
        self,
        caption_vocabulary: int,
        image_shape: tuple[int, int, int],
        embedding_dim: int,
        units: int,
        tuned: bool = False,
    ):
        super().__init__()
        self.projection = nn.Linear(image_shape[-1], ANNOTATION_DIM)
        self.embedding = nn.Embedding(caption_vocabulary, embedding_dim)
        self.initial_state = nn.Linear(ANNOTATION_DIM, units)
        self.gru = nn.GRUCell(embedding_dim + ANNOTATION_DIM, units)
        self.attention = Attention(ANNOTATION_DIM, units)
        self.gate = nn.Linear(units, 1)
        self.readout = nn.Linear(units + ANNOTATION_DIM, embedding_dim)
        self.output_layer = nn.Linear(embedding_dim, caption_vocabulary)
        self.optimizer = adam(self, 1e-3, tuned)

    def encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        annotations = F.relu(self.projection(source.flatten(1, 2)))
        return annotations, torch.tanh(self.initial_state(annotations.mean(1)))

    def gate_context(self, hidden: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.gate(hidden)) * context

    def logits(self, x: torch.Tensor, output: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.output_layer(x + self.readout(torch.cat([output, context], -1)))


# The optimized version.


class OptimizedLoops:
    """The loops of a network, with as little work inside of them as possible."""

    def recurrence(
        self, annotations: torch.Tensor
    ) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """(project, step) with step(project(x), hidden) -> (next state, context)."""
        gru = self.gru
        attention = self.attention
        width = self.embedding.embedding_dim
        embedding_kernel = gru.weight_ih[:, :width]
        context_kernel = gru.weight_ih[:, width:].t()
        keys = attention.key(annotations)
        hidden_kernel = torch.cat([attention.query.weight, gru.weight_hh]).t()
        bias = torch.cat([gru.bias_hh.new_zeros(keys.shape[-1]), gru.bias_hh])
        sizes = [keys.shape[-1], *[gru.hidden_size] * 3]

        def project(x):
            return F.linear(x, embedding_kernel, gru.bias_ih)

        def step(projected, hidden):
            query, h_r, h_z, h_new = torch.addmm(bias, hidden, hidden_kernel).split(sizes, -1)
            context = self.gate_context(hidden, attention.attend(query, keys, annotations))
            r, z, new = torch.addmm(projected, context, context_kernel).chunk(3, -1)
            z = torch.sigmoid(z + h_z)
            new = torch.tanh(new + torch.sigmoid(r + h_r) * h_new)
            return torch.lerp(new, hidden, z), context

        return project, step

    def loss(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        annotations, hidden = self.encode(source)
        project, step = self.recurrence(annotations)
        x = self.embedding(target[:, :-1].t())  # time first: the inputs of a step are contiguous
        steps = []
        for projected in project(x).unbind():
            hidden, context = step(projected, hidden)
            steps.append((hidden, context))
        output, context = map(torch.stack, zip(*steps, strict=True))
        logits = self.logits(x, output, context).flatten(0, 1)
        return F.cross_entropy(logits, target[:, 1:].t().flatten(), ignore_index=0)

    def decoder_step(
        self, annotations: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[Callable[..., Any], torch.Tensor]:
        project, step = self.recurrence(annotations)

        def decode_token(tokens, hidden):
            x = self.embedding(tokens)
            hidden, context = step(project(x), hidden)
            return self.logits(x, hidden, context), hidden

        return decode_token, hidden


def _optimized(network):
    """Factory of a network with the optimized loops."""

    class OptimizedNetwork(OptimizedLoops, network):
        pass

    return lambda **arguments: OptimizedNetwork(**arguments, tuned=True)


NETWORKS = {"seq2seq": Seq2Seq, "captioning": Captioning}
STYLES = {
    "pytorch": NETWORKS,
    "pytorch tuned": {name: _optimized(network) for name, network in NETWORKS.items()},
}
