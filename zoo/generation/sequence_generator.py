"""What all models share that answer in words: p(words | what they read or see), token by token.

A subclass says how it reads and how it speaks; training needs `read` and `teach`, and whoever wants
words from it `start` and `say`. `zoo.Translator` answers to texts, `zoo.Captioner` to images.
"""

import itertools

import tensorflow as tf

from blocks.token_cross_entropy import cross_entropy
from zoo import text, threads
from zoo.checks import check_numbers, check_optional_numbers
from zoo.errors import UsageError
from zoo.generation import decoding
from zoo.generation.decoding_checks import LENGTH_PENALTY, check_options, check_size
from zoo.model import Model
from zoo.model.method_arguments import drop_rows, zero_row

LEAST = 8  # sentences of a piece that is searched by itself
LARGEST = 2**24  # ids of a vocabulary


class Speaker(Model):
    """Base of models that speak.

    A batch has two sides: `input_feature` is what they read or see, and `said` what they are to
    say: ids, int32 [b, t], between START and END, zeros at the end of a row.
    """

    said = "target"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # Without autograph our errors come out of it as they went in.
        self._search = tf.function(self.search, autograph=False, reduce_retracing=True)

    def know(self, **vocabularies):
        """What the constructor of a subclass was given for each side that is words.

        How many ids there are; or a `zoo.text` vocabulary, or the text that its `to_json` gives.
        The attribute SIDE_vocabulary keeps the number or the text, `vocabularies` what can be
        asked, None for a number, and `sizes` the number.
        """
        sides = {side: kept(one, f"{side}_vocabulary") for side, one in vocabularies.items()}
        for side, one in sides.items():
            setattr(self, f"{side}_vocabulary", one)
        self.vocabularies = {side: opened(one, f"{side}_vocabulary") for side, one in sides.items()}
        self.sizes = {
            side: one if isinstance(one, int) else len(self.vocabularies[side])
            for side, one in sides.items()
        }

    # What a subclass writes.

    def read(self, source, training=False):
        """What is known of a batch of sources: a nest of tensors, batch first."""
        raise NotImplementedError

    def teach(self, known, words, training=False):
        """Logits [b, t, V], float32, of the word that follows each of `words` [b, t]."""
        raise NotImplementedError

    def start(self, known, limit):
        """The state before the first of at most `limit` words: a nest of tensors, batch first."""
        raise NotImplementedError

    def say(self, words, state):
        """(logits [b, V], next state, weights [b, s]) after the words [b] that were said last.

        The weights say where it looked: at which of the s places of its source.
        """
        raise NotImplementedError

    def given(self, source):
        """What a verb was given, as a tensor that `read` takes. Raises BatchError."""
        raise NotImplementedError

    # What they share. What it learns in `train_step` is the subclass's to say.

    def eval_step(self, batch):
        x, y = batch[self.input_feature], batch[self.said]
        logits = self.teach(self.read(x), y[:, :-1])
        return self.scores(logits, y[:, 1:], axis=1)

    def scores(self, logits, words, axis=None):
        """How well the logits [b, t, V] foresee words [b, t], as means over all but padding.

        `loss` is the cross entropy to a target that gives `label_smoothing` to all words alike
        (Szegedy et al., 2015, arXiv 1512.00567, section 7) and `nll` that without smoothing, both
        in nats per word; `accuracy` is the share of words that have the highest logit.

        Args:
            axis: None for one mean over all, 1 for one of each example.
        """
        kept = tf.cast(words != text.PAD, tf.float32)
        loss, nll, right = cross_entropy(logits, words, self.label_smoothing)
        scores = {"loss": loss, "nll": nll, "accuracy": tf.cast(right, tf.float32)}
        count = tf.reduce_sum(kept, axis)
        return {
            name: tf.math.divide_no_nan(tf.reduce_sum(kept * value, axis), count)
            for name, value in scores.items()
        }

    # The contract.

    def check_feature(self, name, value, spec):
        super().check_feature(name, value, spec)
        if name in self.sizes:
            self.check_words(name, value)

    def check_words(self, side, ids):
        """Raises BatchError unless all ids are of the vocabulary of a side."""
        advice = f"{side}_vocabulary=N for N of them, or the vocabulary itself"
        self.check_ids(f"{side!r} ids", ids, self.sizes[side], advice)

    # Verbs.

    def generate(
        self,
        source,
        beam=1,
        limit=100,
        length_penalty=None,
        seed=None,
        temperature=None,
        top_k=None,
        top_p=None,
        eager=False,
        pieces=None,
    ):
        """Says what follows from n sources: `decoding.Decoded`, its extras the weights.

        Args:
            source: as in a batch.
            beam: 1 takes the most probable word at each step; more is a beam search.
            limit: words at most, END included.
            length_penalty: of a beam search; None: 0.6.
            seed: draw words at random instead, an integer or int32[2]; the same draws the same.
            temperature, top_k, top_p: what is drawn from, see `decoding.sample`; needs a `seed`.
            eager: run as plain Python, so that `say` can be printed from and stopped in.
            pieces: of the batch, searched side by side; None: as many as cores where each operation
                has one thread, see `zoo.threads`. Words drawn at random are drawn in one piece.

        Raises UsageError: a value that is not possible, or one that would change nothing.
        """
        drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        check_numbers(limit=limit)
        check_optional_numbers(pieces=pieces)
        check_options(beam, length_penalty, seed, pieces, **drawing)
        source = self.given(source)
        size = source.shape[0]  # unknown while a graph is exported
        check_size(size or 1, beam, limit, self.sizes[self.said])
        if pieces is None:
            pieces = 1 if eager else min(threads.parallel_ops(), (size or 1) // LEAST)
        pieces = min(max(pieces, 1), size or 1) if seed is None else 1
        if seed is not None:
            seed = self.as_seed(seed)
            drawing["temperature"] = 1.0 if temperature is None else temperature
        if beam > 1 and length_penalty is None:
            length_penalty = LENGTH_PENALTY
        numbers = {"limit": limit, "length_penalty": length_penalty, **drawing}
        if tf.executing_eagerly():  # as tensors: another number does not trace the graph again
            numbers = {name: as_tensor(name, value) for name, value in numbers.items()}
        search = self.search if eager else self._search
        rows = zero_row(source) if size == 0 else source
        found = search(rows, int(pieces), seed, int(beam), *numbers.values())
        return drop_rows(found) if size == 0 else found

    def search(self, source, pieces, *how):
        """What `generate` runs or compiles: `answer` to the batch in pieces, side by side."""
        cuts = [tf.shape(source)[0] * i // pieces for i in range(pieces + 1)]
        found = [self.answer(source[i:j], *how) for i, j in itertools.pairwise(cuts)]
        return tf.nest.map_structure(lambda *same: tf.concat(same, 0), *found)

    def answer(self, source, seed, beam, limit, length_penalty, *drawing):
        """The words of one piece: `decoding.Decoded`."""
        ids = tf.range(self.sizes[self.said])
        never = tf.where((ids == text.PAD) | (ids == text.START), decoding.NEVER, 0.0)

        def step(words, state):
            logits, state, weights = self.say(words, state)
            return tf.cast(logits, tf.float32) + never, state, weights

        task = step, self.start(self.read(source), limit), text.START, text.END, limit
        if seed is not None:
            return decoding.sample(*task, *drawing, seed)
        if beam == 1:
            return decoding.greedy(*task)
        return decoding.beam_search(*task, beam, length_penalty)

    def alignments(self, source, target):
        """The weights [n, t, s] while the model says target [n, t]: ids without START."""
        state = self.start(self.read(self.given(source)), target.shape[1])
        words, looks = tf.fill(len(target), text.START), []
        for after in tf.unstack(tf.constant(target), axis=1):
            _, state, weights = self.say(words, state)
            looks.append(tf.cast(weights, tf.float32))
            words = after
        return tf.stack(looks, axis=1)

    def best(self, found):
        """The best of each `decoding.Decoded`: (tokens [n, t], weights [n, t, s]), as arrays."""
        tokens, weights = found.tokens.numpy(), found.extras.numpy()
        return (tokens[:, 0], weights[:, 0]) if tokens.ndim == 3 else (tokens, weights)

    def vocabulary(self, side):
        """The `zoo.text` vocabulary of a side; raises UsageError if there is none."""
        if self.vocabularies[side] is None:
            raise UsageError(
                f"{self.name} was given the size of its {side} vocabulary only, so it cannot read"
                f" or write text: give it {side}_vocabulary=tokenizer, or call generate with ids"
            )
        return self.vocabularies[side]


def as_tensor(name, value):
    """A number of `generate` as a tensor; None stays None."""
    if value is None:
        return None
    return tf.cast(value, tf.int32 if name in ("limit", "top_k") else tf.float32)


def kept(vocabulary, argument):
    """A vocabulary as a model's configuration holds it: a size, or text; raises ValueError."""
    if isinstance(vocabulary, text.Vocabulary):
        return vocabulary.to_json()
    least = text.END + 2  # one word at least
    if isinstance(vocabulary, str) or (type(vocabulary) is int and least <= vocabulary <= LARGEST):
        return vocabulary
    most = f" and at most {LARGEST:,}" if type(vocabulary) is int and vocabulary > LARGEST else ""
    raise ValueError(
        f"{argument} must be a vocabulary of zoo.text, its to_json(), or a size from {least} up"
        f"{most}, got {vocabulary!r}"
    )


def opened(vocabulary, argument):
    """The vocabulary that `kept` kept, or None where that is a size; raises UsageError."""
    if not isinstance(vocabulary, str):
        return None
    try:
        return text.from_json(vocabulary)
    except UsageError as error:
        raise UsageError(f"{argument}: {error}") from error
