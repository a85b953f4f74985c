"""`generate` of every model that has it: which options go together, and when a graph is traced."""

import numpy as np
import pytest
from cases import examples, small_model

import zoo
from zoo.errors import UsageError
from zoo.registry import get_class

NAMES = [name for name in zoo.names() if hasattr(get_class(name), "generate")]
every_generator = pytest.mark.parametrize("name", NAMES)

NOTHING = "would change nothing"
REFUSED = [
    ({"temperature": 0.5}, NOTHING),
    ({"top_k": 2}, NOTHING),
    ({"top_p": 0.5}, NOTHING),
    ({"temperature": 0.5, "beam": 2}, NOTHING),
    ({"length_penalty": 0.6}, NOTHING),
    ({"length_penalty": 0.6, "seed": 1}, NOTHING),
    ({"pieces": 2, "seed": 1}, NOTHING),
    ({"beam": 2, "seed": 1}, "leave one out"),
    *(({"temperature": bad}, "temperature must be above 0") for bad in (0, -1, float("nan"), "x")),
    *(({"temperature": bad, "seed": 1}, "temperature must be") for bad in (0, float("inf"), True)),
    *(({"top_k": bad, "seed": 1}, "top_k must be") for bad in (0, 1.5, "x")),
    *(({"top_p": bad, "seed": 1}, "top_p must be") for bad in (0, 1.1, float("nan"))),
    *(({"length_penalty": bad, "beam": 2}, "length_penalty must be") for bad in (-1, float("nan"))),
    *(({"beam": bad}, "beam must be|smaller beam") for bad in (0, 1.5, None, 2**32, 10**8)),
    *(({"seed": bad}, "seed must be") for bad in (-1, 1.5, "x", [1, 2, 3])),
    *(({"pieces": bad}, "pieces must be") for bad in (0, -1, 1.5, "x")),
]


@every_generator
@pytest.mark.parametrize(("how", "message"), REFUSED, ids=str)
def test_options_that_change_nothing_or_cannot_be_are_refused(name, how, message, models):
    model, source = models(name)
    with pytest.raises(UsageError, match=message) as caught:
        model.generate(source, **{"limit": 3, **how})
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def models():
    made = {name: small_model(name) for name in NAMES}
    return lambda name: (made[name], examples(made[name], 3)[made[name].input_feature])


@every_generator
def test_other_numbers_trace_no_graph_anew_and_give_what_eager_python_gives(name):
    model = small_model(name)
    source = examples(model, 3)[model.input_feature]
    greedy = [{"limit": limit} for limit in (1, np.int64(7))]
    beams = [{"limit": 4, "beam": 3}, {"limit": 5, "beam": 3, "length_penalty": 1.5}]
    drawn = [{"limit": 2, "seed": 1}, {"limit": 5, "seed": 2, "temperature": np.float64(2)}]
    nucleus = [{"limit": n, "seed": 1, "top_p": p, "top_k": n} for n, p in ((3, 0.9), (6, 0.5))]
    for how in (*greedy, *beams, *drawn, *nucleus):
        found, eager = (model.generate(source, **how, eager=eager) for eager in (False, True))
        np.testing.assert_array_equal(found.tokens, eager.tokens, err_msg=str(how))
        assert found.tokens.shape[-1] == found.extras.shape[-2] == how["limit"]
        for one, other in zip(found[1:], eager[1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4, err_msg=str(how))
    assert model._search.experimental_get_tracing_count() == 4
