"""Make `photo_int8.onnx`: the preset `photo`, taught to answer the same with 8-bit arithmetic.

    python weights/tools/quantize_photo.py PHOTOS MORE -o runs/photo_int8

Rounding what was taught in float32 costs too much. So the network is taught on for some epochs with the weights and
results of its convolutions rounded as they will be (Jacob et al., "Quantization and training of neural networks for
efficient integer-arithmetic-only inference", 2018), mostly to say what the network in float32 says. Weights take 7 of
their 8 bits, for processors without the newest instructions cut off the sum of two larger products; each filter has a
scale of its own.

`sources.py` says which pictures are taught and chosen by. Started again after a stop, the run goes on where it was. It
ends with `model.onnx` and, measured as `photo` is, `metrics.json`.
"""

import argparse
import copy
import json
import tempfile
from pathlib import Path

from streams import EPOCH, Balanced  # before Keras

# isort: split
import rotnet  # noqa: F401 - before ONNX Runtime, which then reports to nobody

# isort: split
import keras
import numpy as np
import onnx
import onnxruntime
from keras import layers, ops
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from sources import photos, shares

from rotnet import Predictor, RotNetDataGenerator
from rotnet.datasets.augmentation import SAVED, Augmentation
from rotnet.evaluation.trials import make_trials
from rotnet.inference import presets
from rotnet.inference.views import turned_views
from rotnet.models.export import store_as_half
from rotnet.training.fitting import fit
from rotnet.training.recipes import calibrate_photos, parse_stage

STAGES = ("224:3:1e-4", "224:4:7e-5")
SEED = 7
TEACHER_SHARE = 0.7  # of what the float32 network says in a label, the rest being the truth
WEIGHT_LEVELS = 64  # to either side of zero
RESULT_LEVELS = 255
OUTLIERS = 0.01  # percent of a result's values that are cut off at either end
SEEN = 60  # photographs that the ranges of results are taken from
ROUNDED = ("Transpose", "Conv", "Clip", "Add")
NAME = "rotnet_int8"


def rounded(kernel, axis):
    """A kernel at the levels it will have; its gradient is that of the kernel itself."""
    others = [other for other in range(len(kernel.shape)) if other != axis]
    largest = ops.max(ops.abs(kernel), axis=others, keepdims=True)
    step = ops.stop_gradient(ops.maximum(largest, 1e-8)) / WEIGHT_LEVELS
    return kernel + ops.stop_gradient(ops.round(kernel / step) * step - kernel)


@keras.saving.register_keras_serializable(NAME)
class RoundedConv2D(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, rounded(kernel, 3))


@keras.saving.register_keras_serializable(NAME)
class RoundedDepthwiseConv2D(layers.DepthwiseConv2D):
    def call(self, inputs):
        return self.bias + ops.depthwise_conv(inputs, rounded(self.kernel, 2), self.strides, self.padding)


@keras.saving.register_keras_serializable(NAME)
class Rounded(layers.Layer):
    """Cuts a result to a range and rounds it to the levels it will have there."""

    def __init__(self, low, high, **kwargs):
        super().__init__(**kwargs)
        self.low, self.high = float(low), float(high)

    def call(self, inputs):
        return keras.quantizers.fake_quant_with_min_max_vars(inputs, self.low, self.high, num_bits=8)

    def get_config(self):
        return super().get_config() | {"low": self.low, "high": self.high}


class Distilled(Balanced):
    """Examples whose labels are mostly what a teacher says of them."""

    def __init__(self, images, drawn, teacher, **kwargs):
        self.teacher = teacher
        super().__init__(images, drawn, **kwargs)

    def __getitem__(self, index):
        images, labels = super().__getitem__(index)
        return images, (TEACHER_SHARE * run(self.teacher, images)[0] + (1 - TEACHER_SHARE) * labels).astype(np.float32)


def session(graph):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(network, images, results=None):
    return network.run(results, {network.get_inputs()[0].name: images})


def merged(path):
    """The graph of a preset, in float32, with batch normalization merged into the convolutions."""
    with tempfile.TemporaryDirectory() as folder:
        optimized, prepared = (str(Path(folder, name)) for name in ("optimized.onnx", "prepared.onnx"))
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = optimized
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        quant_pre_process(optimized, prepared, skip_symbolic_shape=True)
        return onnx.load(prepared)


def of_any_size(model):
    """The same for pictures of other sizes."""
    free = copy.deepcopy(model)
    for number in (1, 2):
        free.graph.input[0].type.tensor_type.shape.dim[number].dim_param = f"side{number}"
    del free.graph.value_info[:]
    return free


def rounded_results(model):
    """Names of the results that are rounded: the input, and what convolutions with their ReLU and sums of two give."""
    before_relu = {node.input[0] for node in model.graph.node if node.op_type == "Clip"}
    return [
        node.output[0]
        for node in model.graph.node
        if node.op_type in ROUNDED and node.output[0] not in before_relu and node.name not in shifts(model)
    ]


def shifts(model):
    """Names of the nodes that add a constant; they scale the levels of the input."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [node.name for node in model.graph.node if node.op_type == "Add" and constants & set(node.input)]


def ranges(model, paths):
    """Lowest and highest value of each result on photographs, outliers aside, by name."""
    names = rounded_results(model)
    tapped = copy.deepcopy(model)
    tapped.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    network, predictor, rng = session(tapped), Predictor("photo"), np.random.default_rng(0)
    found = {name: [] for name in names}
    for trial in make_trials(paths, seed=SEED):
        views = turned_views(predictor.view(trial.render()).strip, predictor.input_size, 4)
        for name, values in zip(names, run(network, np.stack(views).astype(np.float32), names), strict=True):
            found[name].append(rng.choice(values.ravel(), 20_000))
    cut = [OUTLIERS, 100 - OUTLIERS]
    bounds = {name: np.percentile(np.concatenate(values), cut) for name, values in found.items()}
    return {name: (min(float(low), 0.0), max(float(high), 0.0)) for name, (low, high) in bounds.items()}


def keras_network(model, bounds, size):
    """A graph as a Keras network that rounds as the graph will."""
    constants = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in model.graph.initializer}
    inputs = keras.Input((size, size, 3), name="images")
    found = {model.graph.input[0].name: inputs}
    kernels = {}
    for node in model.graph.node:
        known = [constants[name] for name in node.input if name in constants]
        given = [found[name] for name in node.input if name in found]
        result = _layer(node, known, kernels)(*given)
        name = node.output[0]
        found[name] = Rounded(*bounds[name])(result) if name in bounds else result
    network = keras.Model(inputs, found[model.graph.output[0].name])
    for name, values in kernels.items():
        network.get_layer(name).set_weights(values)
    return network


def _layer(node, known, kernels):
    """What does in Keras what a node does; the weights it is to have are added to `kernels`."""
    name, settings = layer_name(node), {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    if node.op_type == "Mul":
        return layers.Rescaling(float(known[0]))
    if node.op_type == "Add":
        return layers.Rescaling(1.0, offset=float(known[0])) if known else lambda *both: layers.Add()(both)
    if node.op_type == "GlobalAveragePool":
        return layers.GlobalAveragePooling2D()
    if node.op_type == "Gemm":
        kernels[name] = [known[0].T if settings.get("transB") else known[0], known[1]]
        return layers.Dense(len(known[1]), activation="softmax", name=name)
    if node.op_type == "Conv":
        kernel, bias = known
        common = {"strides": settings["strides"][0], "padding": "same", "name": name}
        if settings["group"] > 1:
            kernels[name] = [kernel.transpose(2, 3, 0, 1), bias]
            return RoundedDepthwiseConv2D(kernel.shape[2:], **common)
        kernels[name] = [kernel.transpose(2, 3, 1, 0), bias]
        return RoundedConv2D(len(bias), kernel.shape[2:], **common)
    if node.op_type == "Clip":
        return layers.ReLU(6.0)
    # Keras keeps channels last, and its dense layer has the softmax
    return lambda result, *_: result


def layer_name(node):
    return f"{node.op_type}_{node.output[0]}".replace("/", "_").replace(":", "_")


def with_weights(model, network):
    """A graph with the weights of its Keras network."""
    taught = copy.deepcopy(model)
    tensors = {tensor.name: tensor for tensor in taught.graph.initializer}
    for node in taught.graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        kernel, bias = network.get_layer(layer_name(node)).get_weights()
        if node.op_type == "Gemm":
            kernel = kernel.T if numpy_helper.to_array(tensors[node.input[1]]).shape[0] == len(bias) else kernel
        else:
            depthwise = any(entry.name == "group" and entry.i > 1 for entry in node.attribute)
            kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        for name, values in ((node.input[1], kernel), (node.input[2], bias)):
            tensors[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return taught


class Blank(CalibrationDataReader):
    """One empty picture, for one is asked for, though all ranges are given."""

    def __init__(self, graph):
        _, *shape = (side.dim_value for side in graph.input[0].type.tensor_type.shape.dim)
        self._left = [{graph.input[0].name: np.zeros((1, *shape), np.float32)}]

    def get_next(self):
        return self._left.pop() if self._left else None


def write(model, bounds, target):
    """Write a graph that computes with 8 bits."""
    overrides = {}
    for name, (low, high) in bounds.items():
        scale = (high - low) / RESULT_LEVELS
        zero = round(-low / scale)
        overrides[name] = [{"scale": np.array(scale, np.float32), "zero_point": np.array(zero, np.uint8)}]
    quantize_static(
        copy.deepcopy(model),  # which it empties
        target,
        Blank(model.graph),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        op_types_to_quantize=list(ROUNDED),
        nodes_to_exclude=shifts(model),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={"TensorQuantOverrides": overrides},
    )
    written = onnx.load(target)
    store_as_half(written, smallest=100_000)  # the dense layer; scales stay exact
    onnx.save(written, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of upright photographs with a manifest.csv")
    parser.add_argument("-o", "--output", required=True, type=Path, help="folder of the run")
    parser.add_argument("--model", default="photo", help="what is rounded: a preset or an .onnx file")
    parser.add_argument("--stages", nargs="+", default=STAGES, metavar="SIZE:EPOCHS:RATE")
    options = parser.parse_args()
    found = photos(options.folders)
    train, choose = ([photo for photo in found if photo.side == side] for side in ("train", "choose"))
    paths, drawn, choose = [photo.path for photo in train], shares(train), [photo.path for photo in choose]
    model = merged(presets.find(options.model))
    teacher = session(of_any_size(model))
    seen = np.random.default_rng(0).choice(len(paths), min(SEEN, len(paths)), replace=False, p=drawn)
    bounds = ranges(model, [paths[number] for number in seen])
    for number, text in enumerate(options.stages, start=1):
        stage = parse_stage(text, seed=SEED + number)
        common = {"input_shape": (stage.size, stage.size), "batch_size": stage.batch_size, "sigma": stage.sigma}
        stream = Distilled(
            paths,
            drawn,
            teacher,
            examples=EPOCH,
            seed=stage.seed,
            augmentation=Augmentation(),
            workers=2,
            **common,
        )
        val = RotNetDataGenerator(choose, seed=0, augmentation=SAVED, same_every_epoch=True, workers=2, **common)
        network = keras_network(model, bounds, stage.size)
        fit(network, stream, val, stage.settings, options.output / f"stage{number}", verbose=2)
        model = with_weights(model, network)
    exported = options.output / "model.onnx"
    write(model, bounds, exported)
    report = calibrate_photos(exported, choose, repeats=2)
    (options.output / "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
