"""In a notebook: progress without control characters, tables as HTML, figures as images."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from zoo import figures
from zoo.inspection import Inspection
from zoo.training import progress
from zoo.training.progress import NotebookDisplay, Progress, TerminalDisplay

LAYER = {"path": "encoder/0", "type": "A<B>", "shape": (2, 3), "mean": 0.5, "std": 1.0}
SEEN = Inspection(
    {"loss": 1.5},
    [
        {**LAYER, "zeros": 0.25, "nan": 0, "inf": 0},
        {**LAYER, "path": "encoder/0/1", "zeros": 0.0, "nan": 7, "inf": 2},
    ],
    [
        {
            "path": "encoder/0/kernel",
            "part": "",
            "shape": (3,),
            "norm": 2.0,
            "gradient_norm": None,
            "update_ratio": 0.0,
        }
    ],
)


@pytest.fixture
def notebook(monkeypatch):
    """Stands for IPython in a kernel; collects the states of the displayed outputs."""
    states = []

    def display(bundle, raw, display_id):
        states.append(bundle)
        return SimpleNamespace(update=lambda bundle, raw: states.append(bundle))

    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return states


def run_two_epochs():
    position = {"step": 0, "step_in_epoch": 0, "steps_per_epoch": 3}
    callback = Progress(position, float("inf"))
    callback.set_params({"epochs": 2})
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for batch in range(3):
            position["step"] += 1
            position["step_in_epoch"] = batch + 1
            callback.on_train_batch_end(batch, {"loss": 1.25})
        callback.on_epoch_end(epoch, {"loss": 1.5 - epoch})
    callback.on_train_end()
    return callback


def test_progress_in_a_notebook_is_one_output_without_control_characters(notebook, capfd):
    callback = run_two_epochs()
    assert isinstance(callback.display, NotebookDisplay)
    bars = [state["text/html"] for state in notebook if "<progress" in state["text/html"]]
    assert 1 <= len(bars) < 6 and 'max="6"' in bars[0]
    assert notebook[-1] == {
        "text/plain": "epoch 1/2: loss 1.5\nepoch 2/2: loss 0.5",
        "text/html": "<pre>epoch 1/2: loss 1.5\nepoch 2/2: loss 0.5</pre>",
    }
    assert capfd.readouterr() == ("", "")


def test_progress_in_a_pipe_is_a_line_per_epoch(capfd):
    callback = run_two_epochs()
    assert isinstance(callback.display, TerminalDisplay) and not progress.in_notebook()
    assert capfd.readouterr().err == "epoch 1/2: loss 1.5\nepoch 2/2: loss 0.5\n"


def test_an_inspection_is_shown_as_tables_in_html():
    text = SEEN._repr_html_()
    assert text.count("<table>") == 3 and "A&lt;B&gt;" in text
    row = text[text.index("&nbsp;") :]
    assert "7/2" in row and "&nbsp;&nbsp;&nbsp;&nbsp;1<" in text  # indented below encoder/0
    assert text.count("color: #c00") == 2  # the NaN, and the variable without a gradient
    assert "7/2" in str(SEEN) and "none" in str(SEEN)


def test_a_figure_is_shown_as_the_image_that_it_is():
    figure = figures.grid(np.random.default_rng(0).random((4, 5, 5, 1)))
    shown = np.asarray(Image.open(io.BytesIO(figure._repr_png_())))
    np.testing.assert_array_equal(shown, np.asarray(figure))
    assert figure[0]._repr_png_() is None and (figure / 2)._repr_png_() is None


CELLS = [
    """import zoo
from zoo.data.builders import snowflakes

crystals = snowflakes.generate(8, size=8)
data = zoo.data.load(crystals, batch_size=4, binarize="threshold")
model = zoo.get("vae", image_shape=(8, 8, 1), filters=(4,), base_filters=4)
trainer = zoo.Trainer(model, eager=True, figures_every=0)
trainer.fit(data, epochs=2);""",
    "trainer.inspect(data.take(4))",
    "zoo.figures.grid(crystals)",
]


def test_a_kernel_shows_progress_tables_and_images():
    nbclient = pytest.importorskip("nbclient", reason="no nbclient: pip install '.[docs]'")
    pytest.importorskip("ipykernel", reason="no ipykernel: pip install '.[docs]'")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [
        [output.data for output in cell.outputs if "data" in output] for cell in notebook.cells
    ]
    assert [len(outputs) for outputs in shown] == [1, 1, 1]
    ((training,), (table,), (figure,)) = shown
    assert training["text/plain"].count("epoch") == 2 and "<progress" not in training["text/html"]
    assert table["text/html"].count("<table>") == 3
    assert figure["image/png"]
    texts = [str(output) for cell in notebook.cells for output in cell.outputs]
    assert not any(character in text for text in texts for character in ("\x1b", "\r", "\\x1b"))
