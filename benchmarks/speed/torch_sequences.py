"""The models of words in PyTorch: a loop over the words as one writes it, and a careful rewrite.

The careful one does once what needs no state: the keys, the part of the cell's product that belongs
to the words, the scores of all words; in the loop, the query and the state's part of the cell are
one product. Its Adam is fused, and its process has a C library that keeps freed memory.
"""

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.speed.synthetic_data import START
from benchmarks.speed.torch_images import adam
from benchmarks.speed.variants import SIGHT

# The networks: modules in the order of the zoo's weights.


class Attention(nn.Module):
    """Bahdanau's; `look` is the half of it that depends on the query."""

    def __init__(self, width, units):
        super().__init__()
        self.score = nn.Linear(units, 1, bias=False)
        self.query = nn.Linear(units, units, bias=False)
        self.key = nn.Linear(width, units)

    def forward(self, query, values):
        return self.look(self.query(query), self.key(values), values)

    def look(self, query, keys, values):
        weights = F.softmax(self.score(torch.tanh(query[:, None] + keys)), 1)
        return torch.bmm(weights.transpose(1, 2), values)[:, 0]


class Network(nn.Module):
    """What both models share: trains and answers, a word at a time."""

    def forward(self, words, hidden, annotations):
        """(logits, state) after a word."""
        x = self.words(words)
        context = self.gated(hidden, self.attention(hidden, annotations))
        hidden = self.gru(torch.cat([x, context], -1), hidden)
        return self.logits(x, hidden, context), hidden

    def loss(self, source, target):
        annotations, hidden = self.read(source)
        steps, loss = target.shape[1] - 1, 0.0
        for t in range(steps):
            logits, hidden = self(target[:, t], hidden, annotations)
            loss += F.cross_entropy(logits, target[:, t + 1], ignore_index=0) / steps
        return loss

    def train_step(self, batch):
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach()}

    @torch.inference_mode()
    def generate(self, source, max_length):
        """The most probable word, again and again: ids [b, limit]."""
        step, hidden = self.speaker(*self.read(source))
        words, found = torch.full((len(source),), START), []
        for _ in range(max_length):
            logits, hidden = step(words, hidden)
            words = logits.argmax(-1)
            found.append(words)
        return torch.stack(found, 1)

    def speaker(self, annotations, hidden):
        """A word's step, and the state before the first."""
        return lambda words, hidden: self(words, hidden, annotations), hidden


class Seq2Seq(Network):
    """The translator: reads in both directions."""

    def __init__(self, source_vocabulary, target_vocabulary, embedding_dim, units, tuned=False):
        super().__init__()
        self.source_words = nn.Embedding(source_vocabulary, embedding_dim)
        self.words = nn.Embedding(target_vocabulary, embedding_dim)
        self.encoder = nn.GRU(embedding_dim, units // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(units, units)
        self.gru = nn.GRUCell(embedding_dim + units, units)
        self.attention = Attention(units, units)
        self.readout = nn.Linear(2 * units + embedding_dim, embedding_dim)
        self.output_layer = nn.Linear(embedding_dim, target_vocabulary)
        self.optimizer = adam(self, 1e-3, tuned)

    def read(self, source):
        annotations, ends = self.encoder(self.source_words(source))
        return annotations, torch.tanh(self.bridge(torch.cat([*ends], -1)))

    def gated(self, hidden, context):
        return context

    def logits(self, x, output, context):
        return self.output_layer(torch.tanh(self.readout(torch.cat([output, context, x], -1))))


class Captioning(Network):
    """The captioner: one linear layer sees features; a gate."""

    def __init__(self, caption_vocabulary, image_shape, embedding_dim, units, tuned=False):
        super().__init__()
        self.sight = nn.Linear(image_shape[-1], SIGHT)
        self.words = nn.Embedding(caption_vocabulary, embedding_dim)
        self.start = nn.Linear(SIGHT, units)
        self.gru = nn.GRUCell(embedding_dim + SIGHT, units)
        self.attention = Attention(SIGHT, units)
        self.gate = nn.Linear(units, 1)
        self.readout = nn.Linear(units + SIGHT, embedding_dim)
        self.output_layer = nn.Linear(embedding_dim, caption_vocabulary)
        self.optimizer = adam(self, 1e-3, tuned)

    def read(self, source):
        annotations = F.relu(self.sight(source.flatten(1, 2)))
        return annotations, torch.tanh(self.start(annotations.mean(1)))

    def gated(self, hidden, context):
        return torch.sigmoid(self.gate(hidden)) * context

    def logits(self, x, output, context):
        return self.output_layer(x + self.readout(torch.cat([output, context], -1)))


# The careful rewrite.


class Careful:
    """A network's loops, with as little in them as can be."""

    def mover(self, annotations):
        """(project, move): move(project(x), hidden) -> (next state, context), for one step."""
        gru, attention = self.gru, self.attention
        width = self.words.embedding_dim
        early, late = gru.weight_ih[:, :width], gru.weight_ih[:, width:].t()
        keys = attention.key(annotations)
        both = torch.cat([attention.query.weight, gru.weight_hh]).t()
        bias = torch.cat([gru.bias_hh.new_zeros(keys.shape[-1]), gru.bias_hh])
        sizes = [keys.shape[-1], *[gru.hidden_size] * 3]

        def project(x):
            return F.linear(x, early, gru.bias_ih)

        def move(projected, hidden):
            query, h_r, h_z, h_new = torch.addmm(bias, hidden, both).split(sizes, -1)
            context = self.gated(hidden, attention.look(query, keys, annotations))
            r, z, new = torch.addmm(projected, context, late).chunk(3, -1)
            z = torch.sigmoid(z + h_z)
            new = torch.tanh(new + torch.sigmoid(r + h_r) * h_new)
            return torch.lerp(new, hidden, z), context

        return project, move

    def loss(self, source, target):
        annotations, hidden = self.read(source)
        project, move = self.mover(annotations)
        x = self.words(target[:, :-1].t())  # by time: a step is a piece of memory
        seen = []
        for projected in project(x).unbind():
            hidden, context = move(projected, hidden)
            seen.append((hidden, context))
        output, context = map(torch.stack, zip(*seen, strict=True))
        logits = self.logits(x, output, context).flatten(0, 1)
        return F.cross_entropy(logits, target[:, 1:].t().flatten(), ignore_index=0)

    def speaker(self, annotations, hidden):
        project, move = self.mover(annotations)

        def step(words, hidden):
            x = self.words(words)
            hidden, context = move(project(x), hidden)
            return self.logits(x, hidden, context), hidden

        return step, hidden


def careful(network):
    """Factory of a network with the careful loops."""

    class Rewritten(Careful, network):
        pass

    return lambda **settings: Rewritten(**settings, tuned=True)


NETWORKS = {"seq2seq": Seq2Seq, "captioning": Captioning}
STYLES = {
    "pytorch": NETWORKS,
    "pytorch tuned": {name: careful(network) for name, network in NETWORKS.items()},
}
