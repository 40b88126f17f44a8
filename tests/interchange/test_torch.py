"""Models of PyTorch's: every layer that is carried over computes the same; the others are refused by name and place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nablac.cli import main
from nablac.errors import CompileError, DataError, NablacError
from nablac.frontend.spec import model_of_spec
from nablac.interchange.parameters import read_parameters
from nablac.interchange.torch_files import load_torch
from nablac.interchange.torch_import import LIMIT, from_torch
from nablac.interchange.torch_layers import LAYERS

pytestmark = pytest.mark.extras


@pytest.fixture(autouse=True)
def seeded() -> None:
    import torch

    torch.manual_seed(0)


VARIANTS: dict[str, tuple[str, ...]] = {
    "Linear": ("Linear(4, 4)", "Linear(4, 4, bias=False)"),
    "Flatten": ("Flatten()", "Flatten(1, -1)"),
    "Identity": ("Identity()",),
    "Dropout": ("Dropout()", "Dropout(0.2)"),
    "BatchNorm1d": ("BatchNorm1d(4)", "BatchNorm1d(4, eps=0.1, momentum=0.3)", "BatchNorm1d(4, affine=False)"),
    "LayerNorm": ("LayerNorm(4)", "LayerNorm(4, eps=0.1)", "LayerNorm(4, elementwise_affine=False)"),
    "LeakyReLU": ("LeakyReLU()", "LeakyReLU(0.3)"),
    "PReLU": ("PReLU()", "PReLU(init=0.7)", "PReLU(4)"),
    "ELU": ("ELU()", "ELU(0.5)"),
    "CELU": ("CELU()", "CELU(2.0)"),
    "Hardtanh": ("Hardtanh()", "Hardtanh(-2, 0.5)"),
    "Hardshrink": ("Hardshrink()", "Hardshrink(0.1)"),
    "Softshrink": ("Softshrink()", "Softshrink(0.1)"),
    "Threshold": ("Threshold(0.1, 20)",),
    "Softplus": ("Softplus()", "Softplus(3.0)", "Softplus(1.0, 0.5)"),
    "GELU": ("GELU()", "GELU('tanh')"),
    "GLU": ("GLU()", "GLU(1)"),
    "Softmax": ("Softmax(dim=1)", "Softmax(-1)"),
    "LogSoftmax": ("LogSoftmax(dim=1)",),
    "Softmin": ("Softmin(dim=1)",),
}
EVERY = [variant for name in LAYERS for variant in VARIANTS.get(name, (f"{name}()",))]


def layer(text: str) -> Any:
    import torch

    name, _, arguments = text.partition("(")
    return eval(f"make({arguments}", {"make": getattr(torch.nn, name)})


def moved(model: Any) -> Any:
    """The model with weights and statistics that are not as at the start."""
    import torch

    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.2 if "var" in key else torch.randn_like(tensor))
    return model


@pytest.mark.parametrize("text", EVERY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_layer(text: str, dtype: str) -> None:
    import torch

    kind = getattr(torch, dtype)
    chain = torch.nn.Sequential(torch.nn.Linear(3, 4), layer(text), torch.nn.Identity()).to(kind)
    made = from_torch(moved(chain))
    assert made.difference < 1e-12 or "Softplus" in text and made.difference < LIMIT
    assert {array.dtype for array in made.parameters.values()} == {np.dtype(dtype)}
    assert model_of_spec(made.text).program.dtype == dtype


def test_the_spec_is_as_a_person_writes_it() -> None:
    from torch import nn

    inner = nn.Sequential(nn.Linear(6, 5, bias=False), nn.LeakyReLU(0.2))
    made = from_torch(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), inner, nn.Linear(5, 3)), loss="cross_entropy")
    assert made.text == (
        "model: imported\n"
        'inputs: {x: "real[n, 4]", y: "label[n, 3]"}\n'
        "network:\n"
        "  - linear: 6                        # 0: Linear\n"
        "  - tanh                             # 1: Tanh\n"
        "  - linear: {units: 5, bias: false}  # 2.0: Linear\n"
        "  - leaky_relu: 0.2                  # 2.1: LeakyReLU\n"
        "  - linear: 3                        # 3: Linear\n"
        "loss: cross_entropy\n"
    )
    assert list(made.parameters) == ["linear_1.W", "linear_1.b", "linear_2.W", "linear_3.W", "linear_3.b"]


@pytest.mark.parametrize(
    ("last", "loss", "target"),
    [
        ("LogSoftmax(1)", "nll", "label[n, 4]"),
        ("Softmax(1)", "cross_entropy_probabilities", "label[n, 4]"),
        ("Sigmoid()", "binary_cross_entropy", "real[n, 4]"),
        ("ReLU()", "mse", "real[n, 4]"),
    ],
)
def test_a_loss_that_suits_the_last_layer(last: str, loss: str, target: str) -> None:
    from torch import nn

    made = from_torch(nn.Sequential(nn.Linear(3, 4), layer(last)))
    assert made.loss == loss and f'y: "{target}"' in made.text


def test_a_sample_of_more_axes() -> None:
    """A linear layer works on the last axis; a normalisation does too."""
    from torch import nn

    made = from_torch(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Softmax(-1)), shape=(5, 3))
    assert 'x: "real[n, 5, 3]"' in made.text and made.difference < 1e-13


def test_images_become_one_axis() -> None:
    """What stands in front of a network of images changes nothing where they come flat."""
    from torch import nn

    chain = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    flat = from_torch(chain)
    assert 'x: "real[n, 12]"' in flat.text and "flatten" not in flat.text
    for shape in ((3, 4), (2, 3, 2)):
        made = from_torch(chain, shape=shape)
        assert "  - flatten    # 0: Flatten\n  - linear: 2  # 1: Linear\n" in made.text
        assert f'x: "real[n, {", ".join(map(str, shape))}]"' in made.text and made.difference < 1e-13
    with pytest.raises(CompileError, match="a sample of 4 axes: give it as one, --input 12"):
        from_torch(chain, shape=(1, 3, 2, 2))
    with pytest.raises(CompileError, match="start_dim=1, end_dim=2: only all axes"):
        from_torch(nn.Sequential(nn.Flatten(1, 2), nn.Linear(2, 2)), shape=(3, 2, 2))


def test_layers_behind_each_other_in_use(tmp_path: Path) -> None:
    """Dropout, both norms and flatten, as PyTorch in ``eval`` and as ONNX compute them."""
    from torch import nn

    norms = [nn.Linear(3, 4), nn.LayerNorm(4), nn.Dropout(0.4), nn.Flatten(), nn.Linear(20, 6)]
    chain = moved(nn.Sequential(*norms, nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 2)))
    made = from_torch(chain, shape=(5, 3))
    assert made.difference < 1e-12
    spec, parameters = made.write(tmp_path / "chain.yaml")
    result = run("export", spec, "--params", parameters, "--to", tmp_path / "chain.onnx")
    assert result.exit_code == 0, result.output
    import onnxruntime
    import torch

    x = np.random.default_rng(1).normal(size=(7, 5, 3)).astype(np.float32)
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "chain.onnx")).run(None, {"x": x})
    with torch.no_grad():
        meant = chain.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, meant, rtol=1e-4, atol=1e-4 * np.abs(meant).max())


def test_the_user_s_model_is_left_as_it_is() -> None:
    import torch
    from torch import nn

    chain = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4)).train()
    before = {key: tensor.clone() for key, tensor in chain.state_dict().items()}
    from_torch(chain)
    assert chain.training and all(module.training for module in chain)
    assert all(torch.equal(before[key], tensor) for key, tensor in chain.state_dict().items())


REFUSED = [
    ("Conv1d(4, 4, 1)", "layer 1: Conv1d cannot be imported", "nablac has no such layer"),
    ("RReLU()", "layer 1: RReLU cannot be imported", "its slope is random while it trains"),
    ("Softmax(dim=0)", "layer 1: Softmax cannot be imported", "dim=0 is not the last axis of 2"),
    ("Flatten(0)", "layer 1: Flatten cannot be imported", "start_dim=0"),
    ("Unflatten(1, (2, 2))", "layer 1: Unflatten cannot be imported", "nablac has no such layer"),
    ("BatchNorm1d(4, momentum=None)", "layer 1: BatchNorm1d cannot be imported", "momentum=None"),
    ("BatchNorm1d(4, track_running_stats=False)", "BatchNorm1d", "track_running_stats=False"),
    ("LayerNorm(4, bias=False)", "LayerNorm", "bias=False"),
    ("Bilinear(4, 4, 4)", "layer 1: Bilinear cannot be imported", "reads two tensors"),
]


@pytest.mark.parametrize(("text", "subject", "found"), REFUSED)
def test_what_is_not_carried_over_is_refused(text: str, subject: str, found: str) -> None:
    from torch import nn

    with pytest.raises(CompileError) as caught:
        from_torch(nn.Sequential(nn.Linear(3, 4), layer(text)))
    message = str(caught.value)
    assert subject in message and found in message and "expected: Linear, Flatten" in message


def test_a_class_of_one_s_own_is_refused_by_its_place() -> None:
    from torch import nn

    class Linear(nn.Linear):  # computes something else under a name that is known
        def forward(self, input: Any) -> Any:
            return 2 * super().forward(input)

    class Chain(nn.Sequential):
        def forward(self, input: Any) -> Any:
            return -super().forward(input)

    for wrong, found in ((Linear(4, 4), "1.0: Linear"), (Chain(nn.Linear(4, 4)), "1.0: Chain")):
        with pytest.raises(CompileError, match="a class of its own") as caught:
            from_torch(nn.Sequential(nn.Linear(3, 4), nn.Sequential(wrong)))
        assert found in str(caught.value)


def test_a_layer_that_stands_twice_is_shared() -> None:
    from torch import nn

    same, swish = nn.Linear(4, 4), nn.PReLU()
    made = from_torch(nn.Sequential(same, swish, same, swish, nn.Linear(4, 2)))
    assert made.text.count("- share: linear_1 ") == made.text.count("- share: prelu_1 ") == 1
    assert list(made.parameters) == ["linear_1.W", "linear_1.b", "prelu_1.alpha", "linear_2.W", "linear_2.b"]
    assert made.difference < 1e-13


def test_a_weight_of_two_layers_is_tied() -> None:
    from torch import nn

    one, other = nn.Linear(4, 4), nn.Linear(4, 4)
    other.weight = one.weight
    made = from_torch(nn.Sequential(one, nn.Tanh(), other))
    assert "- linear: {units: 4, tie: {W: linear_1.W}}" in made.text
    assert list(made.parameters) == ["linear_1.W", "linear_1.b", "linear_2.b"]
    assert made.difference < 1e-13


def test_what_pytorch_does_not_learn_is_frozen() -> None:
    from torch import nn

    chain = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.PReLU(), nn.Linear(4, 2))
    assert "freeze" not in from_torch(chain).text
    chain[0].requires_grad_(False)
    chain[2].requires_grad_(False)
    chain[3].bias.requires_grad_(False)
    made = from_torch(chain)
    assert "freeze: [linear_1.W, linear_1.b, prelu_1.alpha, linear_2.b]\n" in made.text
    frozen = {t.name for t in model_of_spec(made.text).program.tensors if t.frozen}
    assert frozen == {
        "linear_1.W", "linear_1.b", "batch_norm_1.running_mean", "batch_norm_1.running_variance", "prelu_1.alpha",
        "linear_2.b",
    }  # fmt: skip
    assert "freeze" not in from_torch(chain.requires_grad_(False)).text


def test_a_layer_of_statistics_that_stands_twice_is_refused() -> None:
    from torch import nn

    norm = nn.BatchNorm1d(3)
    with pytest.raises(CompileError, match="it keeps statistics, and stands at 0 too"):
        from_torch(nn.Sequential(norm, nn.Tanh(), norm))


def test_hooks_are_refused() -> None:
    from torch import nn

    hooked = nn.Sequential(nn.Linear(4, 4))
    hooked[0].register_forward_hook(lambda module, inputs, output: output + 1)
    with pytest.raises(CompileError, match="PyTorch computes something else"):
        from_torch(hooked)


def test_an_option_out_of_bounds_is_told_with_its_line() -> None:
    from torch import nn

    with pytest.raises(CompileError) as caught:
        from_torch(nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(1.5)))
    assert str(caught.value) == (
        "CompileError: 'leaky_relu_1': 'alpha' cannot be 1.5\n"
        "  expected: a number from 0 to 1\n"
        "  where:    the spec's line '- leaky_relu: 1.5  # 1: LeakyReLU'"
    )


def test_what_is_no_model() -> None:
    from torch import nn

    for wrong, message in (
        (3, "this is no model of PyTorch's"),
        (nn.Sequential(), "there is nothing to import"),
        (nn.Sequential(nn.ReLU()), "no layer tells how many features"),
        (nn.Conv2d(1, 2, 3), "layer 0: Conv2d cannot be imported"),
        (type("Own", (nn.Module,), {})(), "layer 0: Own cannot be imported\n  found:    a class of its own"),
    ):
        with pytest.raises(CompileError, match=message):
            from_torch(wrong)
    with pytest.raises(CompileError, match="there is no loss 'mes'"):
        from_torch(nn.Sequential(nn.Linear(2, 2)), loss="mes")


# --- files ------------------------------------------------------------------------------------------------------------

MINE = """\
from torch import nn

def mlp():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

whole = mlp()
number = 3

def broken():
    raise ValueError("no weights here")
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A user's own file."""
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", "inside.pth"])
def test_weights_of_a_file_are_put_in(mine: Path, suffix: str) -> None:
    import torch
    from safetensors.torch import save_file

    model = load_torch(f"{mine}:mlp")[1]
    weights = mine.with_name(f"weights{suffix}")
    if suffix == ".safetensors":
        save_file(model.state_dict(), weights)
    else:
        state = model.state_dict()
        torch.save({"epoch": 3, "state_dict": state} if "inside" in suffix else state, weights)
    spec = mine.with_name("out.yaml")
    result = run("import-torch", f"{mine}:mlp", "--weights", weights, "--loss", "cross_entropy", "-o", spec)
    assert result.exit_code == 0, result.output
    assert "23 numbers in 4 parameters" in result.output and "differ by at most" in result.output
    found = read_parameters(spec.with_suffix(".npz"))
    np.testing.assert_array_equal(found["linear_2.W"], model[2].weight.detach().numpy())
    again = run("import-torch", f"{mine}:mlp", "-o", spec)
    assert again.exit_code == 2 and "is there already" in again.output
    exported = run("export", spec, "--params", spec.with_suffix(".npz"), "--to", spec.with_suffix(".onnx"))
    assert exported.exit_code == 0, exported.output


def test_pickles_are_not_run(mine: Path) -> None:
    """A file that would run code when unpickled is refused, and nothing runs."""
    import os

    import torch

    sign = mine.with_name("ran")

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(sign),)

    files = {"evil.pt": {"a": Evil()}, "whole.pt": load_torch(f"{mine}:mlp")[1]}
    for name, content in files.items():
        torch.save(content, mine.with_name(name))
        with pytest.raises(DataError, match="no pickle of tensors alone") as caught:
            load_torch(f"{mine}:mlp", mine.with_name(name))
        assert "torch.save(model.state_dict(), path)" in str(caught.value)
    assert not sign.exists()


def test_a_pytorch_that_reads_no_pickle_safely(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    mine.with_name("a.pt").write_bytes(b"")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(DataError, match="this PyTorch does not read pickles safely"):
        load_torch(f"{mine}:mlp", mine.with_name("a.pt"))


def test_files_that_are_not_whole(mine: Path) -> None:
    import torch

    torch.save(load_torch(f"{mine}:mlp")[1].state_dict(), mine.with_name("good.pt"))
    good = mine.with_name("good.pt").read_bytes()
    wrong = {
        "cut.pt": good[: len(good) // 2], "none.pt": b"", "text.pt": b"hello" * 9, "cut.safetensors": b"\x08\0\0\0",
        "text.safetensors": b"hello, world, hello", "what.h5": b"",
    }  # fmt: skip
    for name, data in wrong.items():
        path = mine.with_name(name)
        path.write_bytes(data)
        with pytest.raises(DataError):
            load_torch(f"{mine}:mlp", path)
    with pytest.raises(DataError, match="cannot be read"):
        load_torch(f"{mine}:mlp", mine.with_name("missing.pt"))
    torch.save({"other": torch.zeros(3)}, mine.with_name("other.pt"))
    with pytest.raises(DataError, match="not the weights of the model"):
        load_torch(f"{mine}:mlp", mine.with_name("other.pt"))
    torch.save({"epoch": 3}, mine.with_name("number.pt"))
    with pytest.raises(DataError, match="no state dict"):
        load_torch(f"{mine}:mlp", mine.with_name("number.pt"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.py:whole", None),
        ("mine.py", None),  # the one model in it
        ("mine.py:nothing", "has no 'nothing'"),
        ("mine.py:number", "'number' is no model of PyTorch's"),
        ("mine.py:broken", "no weights here"),
        ("missing.py:mlp", "cannot be read"),
        ("weights.pt", "the layers of a model stand in Python"),
    ],
)
def test_references(mine: Path, name: str, message: str | None) -> None:
    if message is None:
        assert load_torch(str(mine.parent / name))[0] == "whole"
        return
    with pytest.raises(NablacError, match=re.escape(message)):
        load_torch(str(mine.parent / name))
