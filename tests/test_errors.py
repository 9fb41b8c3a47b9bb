"""The error tree: exit codes, what else each error is, and the helper that names a missing extra."""

import pickle

import pytest

from rotnet import errors


@pytest.mark.parametrize(
    ("name", "also", "exit_code"),
    [
        ("ImageError", ValueError, 1),
        ("OutputError", OSError, 1),
        ("WeightsError", errors.RotNetError, 1),
        ("UnknownPresetError", errors.WeightsError, 2),
        ("MissingExtraError", ImportError, 1),
        ("UsageError", ValueError, 2),
    ],
)
def test_tree(name, also, exit_code):
    error = getattr(errors, name)("one sentence")
    assert isinstance(error, errors.RotNetError) and isinstance(error, also)
    assert error.exit_code == exit_code
    assert str(error) == "one sentence"
    assert str(pickle.loads(pickle.dumps(error))) == "one sentence"  # workers send errors home


def test_every_error_documents_its_exit_code():
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type):
            assert f"Exit code {kind.exit_code}" in kind.__doc__, name


def test_require_returns_the_module():
    assert errors.require("os.path", "train", "x").join("a", "b")


def test_require_names_the_extra():
    with pytest.raises(errors.MissingExtraError, match=r"training needs nothing_here, which is not .*\[train\]"):
        errors.require("nothing_here.sub", "train", "training")


def test_require_tells_a_broken_module_from_a_missing_one(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("import nothing_here")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(errors.MissingExtraError, match="cannot be imported .*nothing_here"):
        errors.require("broken_module", "train", "training")
