"""`generate` of every model that has it: combinations of options, and retracing."""

import numpy as np
import pytest
from cases import examples, small_model

import zoo
from blocks import key_value_cache
from zoo.errors import UsageError
from zoo.registry import get_class

NAMES = [name for name in zoo.names() if issubclass(get_class(name), zoo.SequenceGenerator)]
every_generator = pytest.mark.parametrize("name", NAMES)

NO_EFFECT = "would have no effect"
REFUSED = [
    ({"temperature": 0.5}, NO_EFFECT),
    ({"top_k": 2}, NO_EFFECT),
    ({"top_p": 0.5}, NO_EFFECT),
    ({"temperature": 0.5, "num_beams": 2}, NO_EFFECT),
    ({"length_penalty": 0.6}, NO_EFFECT),
    ({"length_penalty": 0.6, "seed": 1}, NO_EFFECT),
    ({"micro_batches": 2, "seed": 1}, NO_EFFECT),
    ({"num_beams": 2, "seed": 1}, "leave one out"),
    *(({"temperature": bad}, "temperature must be above 0") for bad in (0, -1, float("nan"), "x")),
    *(({"temperature": bad, "seed": 1}, "temperature must be") for bad in (0, float("inf"), True)),
    *(({"top_k": bad, "seed": 1}, "top_k must be") for bad in (0, 1.5, "x")),
    *(({"top_p": bad, "seed": 1}, "top_p must be") for bad in (0, 1.1, float("nan"))),
    *(
        ({"length_penalty": bad, "num_beams": 2}, "length_penalty must be")
        for bad in (-1, float("nan"))
    ),
    *(
        ({"num_beams": bad}, "num_beams must be|smaller num_beams")
        for bad in (0, 1.5, None, 2**32, 10**8)
    ),
    *(({"seed": bad}, "seed must be") for bad in (-1, 1.5, "x", [1, 2, 3])),
    *(({"micro_batches": bad}, "micro_batches must be") for bad in (0, -1, 1.5, "x")),
]


@every_generator
@pytest.mark.parametrize(("how", "message"), REFUSED, ids=str)
def test_invalid_options_and_those_without_effect_are_rejected(name, how, message, models):
    model, source = models(name)
    with pytest.raises(UsageError, match=message) as caught:
        model.generate(source, **{"max_length": 3, **how})
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def models():
    made = {name: small_model(name) for name in NAMES}
    return lambda name: (made[name], examples(made[name], 3)[made[name].input_feature])


@every_generator
def test_other_numbers_cause_no_retracing_and_give_the_results_of_eager_python(name, monkeypatch):
    monkeypatch.setattr(key_value_cache, "CHUNK", 2)  # caches grow
    model = small_model(name)
    source = examples(model, 3)[model.input_feature]
    greedy = [{"max_length": max_length} for max_length in (1, np.int64(4))]
    beams = [
        {"max_length": 2, "num_beams": 3},
        {"max_length": 3, "num_beams": 3, "length_penalty": 1.5},
    ]
    samples = [
        {"max_length": 2, "seed": 1},
        {"max_length": 3, "seed": 2, "temperature": np.float64(2)},
    ]
    nucleus = [
        {"max_length": n, "seed": 1, "top_p": p, "top_k": n} for n, p in ((2, 0.9), (3, 0.5))
    ]
    for how in (*greedy, *beams, *samples, *nucleus):
        found, eager = (model.generate(source, **how, eager=eager) for eager in (False, True))
        np.testing.assert_array_equal(found.tokens, eager.tokens, err_msg=str(how))
        assert found.tokens.shape[-1] == found.aux.shape[-2] == how["max_length"]
        for one, other in zip(found[1:], eager[1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4, err_msg=str(how))
    assert model._compiled_generate.experimental_get_tracing_count() == 4
