"""What all models share that put a text into other words: p(target | source), token by token.

A subclass says how it reads and how it speaks; training needs `read` and `teach`, and whoever wants
words from it `start` and `say`. The verbs here take and return strings.
"""

import numpy as np
import tensorflow as tf

from zoo import decoding, text
from zoo.data.pipeline import check
from zoo.errors import BatchError, UsageError
from zoo.model import Model

SIDES = ("source", "target")


class Translator(Model):
    """Base of translation models. Batches hold ids, int32, zeros at the end of a row.

    "source" is [b, s]; "target" is [b, t], between START and END.

    Args:
        source_vocabulary, target_vocabulary: how many ids there are; or a `zoo.text` vocabulary,
            or the text that its `to_json` gives, which is what is kept: a saved model brings its
            vocabularies along.
    """

    call_feature = "source"
    data_kind = "pairs"
    demo_data = "dates"

    def __init__(self, source_vocabulary, target_vocabulary, **kwargs):
        super().__init__(**kwargs)
        self.source_vocabulary = kept(source_vocabulary, "source_vocabulary")
        self.target_vocabulary = kept(target_vocabulary, "target_vocabulary")
        self.vocabularies = {side: opened(getattr(self, f"{side}_vocabulary")) for side in SIDES}
        self.sizes = {
            side: len(found) if found else getattr(self, f"{side}_vocabulary")
            for side, found in self.vocabularies.items()
        }
        # Without autograph our errors come out of it as they went in.
        self._search = tf.function(self.search, autograph=False, reduce_retracing=True)

    # What a subclass writes.

    def read(self, source, training=False):
        """What is known of sources [b, s]: a nest of tensors, batch first."""
        raise NotImplementedError

    def teach(self, known, words, training=False):
        """Logits [b, t, V], float32, of the word that follows each of `words` [b, t]."""
        raise NotImplementedError

    def start(self, known, limit):
        """The state before the first of at most `limit` words: a nest of tensors, batch first."""
        raise NotImplementedError

    def say(self, words, state):
        """(logits [b, V], next state, weights [b, s]) after the words [b] that were said last."""
        raise NotImplementedError

    # What they share. What it learns in `train_step` is the subclass's to say.

    def eval_step(self, batch):
        x, y = batch["source"], batch["target"]
        logits = self.teach(self.read(x), y[:, :-1])
        return self.scores(logits, y[:, 1:], axis=1)

    def mixed(self, known, words, rate):
        """Words [b, t] of which a share `rate` gives way to the model's own guesses.

        Scheduled sampling in two passes: Mihaylova, Martins, "Scheduled Sampling for Transformers"
        (2019, arXiv 1906.07651). The rate is a number, or a callable of the step.
        """
        if not rate:
            return words
        guesses = tf.argmax(self.teach(known, words, training=True), -1, words.dtype)
        guesses = tf.concat([words[:, :1], guesses[:, :-1]], axis=1)
        rate = rate(self.step) if callable(rate) else rate
        chosen = tf.random.stateless_uniform(tf.shape(words), self.seed()) < rate
        return tf.where(chosen & (words != text.PAD), guesses, words)

    def scores(self, logits, words, axis=None):
        """How well the logits [b, t, V] foresee words [b, t], as means over all but padding.

        `loss` is the cross entropy to a target that gives `label_smoothing` to all words alike
        (Szegedy et al., 2015, arXiv 1512.00567, section 7) and `nll` that without smoothing, both
        in nats per word; `accuracy` is the share of words that have the highest logit.

        Args:
            axis: None for one mean over all, 1 for one of each example.
        """
        kept = tf.cast(words != text.PAD, tf.float32)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
        loss, smoothing = nll, self.label_smoothing
        if smoothing:
            uniform = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
            loss = (1 - smoothing) * nll + smoothing * uniform
        right = tf.cast(tf.argmax(logits, -1, tf.int32) == words, tf.float32)
        count = tf.reduce_sum(kept, axis)
        return {
            name: tf.math.divide_no_nan(tf.reduce_sum(kept * value, axis), count)
            for name, value in {"loss": loss, "nll": nll, "accuracy": right}.items()
        }

    def apply(self, part, gradients):
        # A table's gradient has a slice for each token. Adam would square these one by one, and
        # the sum of squares is not the square of a sum.
        super().apply(part, [g if g is None else tf.convert_to_tensor(g) for g in gradients])

    # The contract.

    @property
    def batch_spec(self):
        return {side: tf.TensorSpec((None, None), tf.int32) for side in SIDES}

    def check_batch(self, batch):
        super().check_batch(batch)
        for side in SIDES:
            self.check_ids(side, batch[side])

    def check_ids(self, side, ids):
        """Raises BatchError unless all ids are of the vocabulary of "source" or "target"."""
        low, high = (int(f(ids)) if len(ids) else 0 for f in (tf.reduce_min, tf.reduce_max))
        if not 0 <= low <= high < self.sizes[side]:
            raise BatchError(
                f"{self.name} expects {side!r} ids in 0 ... {self.sizes[side] - 1}, got {low} to"
                f" {high}; give it {side}_vocabulary=N for N of them, or the vocabulary itself"
            )

    # Verbs.

    def generate(
        self,
        source,
        beam=1,
        limit=100,
        length_penalty=0.6,
        seed=None,
        temperature=1.0,
        top_k=None,
        top_p=None,
        eager=False,
    ):
        """Says what follows from sources [n, s]: `decoding.Decoded`, its extras the weights.

        Args:
            source: int32 ids, zeros at the end of a row.
            beam: 1 takes the most probable word at each step; more is a beam search.
            limit: words at most, END included.
            length_penalty: of a beam search.
            seed: draw words at random instead; the same seed draws the same.
            temperature, top_k, top_p: what is drawn from, see `decoding.sample`.
            eager: run as plain Python, so that `say` can be printed from and stopped in.
        """
        check(limit=limit)
        source = tf.convert_to_tensor(source, tf.int32)
        self.check_ids("source", source)
        search = self.search if eager else self._search
        key = None if seed is None else self.seed(seed)
        return search(source, key, beam, limit, length_penalty, temperature, top_k, top_p)

    def search(self, source, seed, beam, limit, length_penalty, temperature, top_k, top_p):
        """What `generate` runs or compiles."""
        ids = tf.range(self.sizes["target"])
        never = (ids == text.PAD) | (ids == text.START)

        def step(words, state):
            logits, state, weights = self.say(words, state)
            return tf.where(never, decoding.NEVER, logits), state, weights

        task = step, self.start(self.read(source), limit), text.START, text.END, limit
        if seed is not None:
            return decoding.sample(*task, temperature, top_k, top_p, seed)
        if beam == 1:
            return decoding.greedy(*task)
        return decoding.beam_search(*task, beam, length_penalty)

    def translate(self, texts, beam=1, limit=100, truncate=False, batch_size=64, **how):
        """What the model makes of each text: a list of str -> a list of str; "" stays "".

        Args:
            texts: str, or UTF-8 bytes.
            beam, limit, **how: as in `generate`.
            truncate: cut what has more than `limit` ids, instead of an error that names it.
            batch_size: how many are translated at a time.
        """
        check(batch_size=batch_size)
        words = self.vocabulary("target")
        ids = self.vocabulary("source").array(texts, limit=limit, truncate=truncate)
        lengths = (ids != text.PAD).sum(axis=1)
        order = [i for i in np.argsort(lengths, kind="stable") if lengths[i]]
        said = [""] * len(ids)
        for k in range(0, len(order), batch_size):
            rows = order[k : k + batch_size]
            found = self.generate(ids[rows, : lengths[rows[-1]]], beam, limit, **how).tokens
            best = found[:, 0] if len(found.shape) == 3 else found
            for i, sentence in zip(rows, words.decode(best.numpy()), strict=True):
                said[i] = sentence
        return said

    def attention(self, texts, translations=None, limit=100):
        """Where the model looked for each word: a list of (source pieces, target pieces, weights).

        Args:
            texts: str, or UTF-8 bytes.
            translations: what it is to say; without them, what it says by itself.
            limit: of ids, on both sides.

        Returns, for each text, the pieces of both sides, as labels, and weights [t, s], which sum
        to 1 over s. The last target piece is END, if it came within the limit.
        """
        reads, says = (self.vocabulary(side) for side in SIDES)
        source = reads.array(texts, limit=limit)
        if not len(source):
            return []
        if translations is None:
            target = self.generate(source, limit=limit).tokens.numpy()
        else:
            target = says.array(translations, marked=True, limit=limit)[:, 1:]
            if len(target) != len(source):
                raise UsageError(f"{len(source)} texts need as many translations: {len(target)}")
        found = []
        for x, y, weights in zip(source, target, self.alignments(source, target), strict=True):
            s, t = (x != text.PAD).sum(), (y != text.PAD).sum()
            found.append((reads.pieces(x[:s]), says.pieces(y[:t]), weights.numpy()[:t, :s]))
        return found

    def alignments(self, source, target):
        """The weights [n, t, s] while the model says target [n, t], ids without START."""
        state = self.start(self.read(tf.constant(source)), target.shape[1])
        words, looks = tf.fill(len(target), text.START), []
        for after in tf.unstack(tf.constant(target), axis=1):
            _, state, weights = self.say(words, state)
            looks.append(tf.cast(weights, tf.float32))
            words = after
        return tf.stack(looks, axis=1)

    def vocabulary(self, side):
        """The `zoo.text` vocabulary of "source" or "target"; raises UsageError if there is none."""
        if self.vocabularies[side] is None:
            raise UsageError(
                f"{self.name} was given the size of its {side} vocabulary only, so it cannot read"
                f" or write text: give it {side}_vocabulary=tokenizer, or call generate with ids"
            )
        return self.vocabularies[side]


def kept(vocabulary, argument):
    """A vocabulary as a model's configuration holds it: a size, or text; raises ValueError."""
    if isinstance(vocabulary, text.Vocabulary):
        return vocabulary.to_json()
    least = text.END + 2  # one word at least
    if isinstance(vocabulary, str) or (type(vocabulary) is int and vocabulary >= least):
        return vocabulary
    raise ValueError(
        f"{argument} must be a vocabulary of zoo.text, its to_json(), or a size from {least} up,"
        f" got {vocabulary!r}"
    )


def opened(vocabulary):
    """The vocabulary that `kept` kept, or None where that is a size."""
    return text.from_json(vocabulary) if isinstance(vocabulary, str) else None
