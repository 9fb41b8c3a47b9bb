"""The package as a whole: its public names, its version, and how little an import costs."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import rotnet

HEAVY = ("jax", "keras", "matplotlib", "skimage", "tensorflow", "torch")


@pytest.mark.parametrize("name", rotnet.__all__)
def test_public_name_is_documented(name):
    public = getattr(rotnet, name)
    assert public.__doc__ and public.__doc__.strip()


def test_list_of_public_names_is_complete_and_sorted():
    stub = ast.parse(Path(rotnet.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    loaded = {alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(rotnet.__all__) == loaded
    assert dir(rotnet) == sorted(rotnet.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="upside_down"):
        _ = rotnet.upside_down


def test_name_of_an_extra_says_which_one_to_install():
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "import rotnet\n"
        "try: rotnet.build_model\n"
        "except rotnet.RotNetError as error: print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == (
        "rotnet.build_model needs keras, which is not installed: pip install 'rotnet[train]'"
    )


def test_version_is_that_of_the_metadata():
    try:
        installed = metadata.version("rotnet")
    except metadata.PackageNotFoundError:
        pytest.skip("rotnet is not installed")
    assert rotnet.__version__ == installed


@pytest.mark.parametrize(
    "statement",
    [
        "import rotnet",
        "import rotnet.cli.main; rotnet.cli.main.make_parser()",
        "from rotnet import predict_angle, correct_rotation, Predictor, rotate, angle_difference, read_image, presets",
    ],
)
def test_answering_loads_no_training_package(statement):
    code = f"import sys; {statement}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


def test_bare_import_loads_no_numeric_package():
    code = "import sys, rotnet; print(*sorted({'cv2', 'numpy', 'onnxruntime', 'PIL'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []
