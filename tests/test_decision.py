"""Turn it or leave it: the same verdict from API, command, preview and page."""

import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx, crooked
from PIL import Image

import rotnet
from rotnet.cli.main import main
from rotnet.engines.batch import BatchPredictor
from rotnet.files.check import check_files
from rotnet.geometry.angles import angle_difference
from rotnet.inference.decision import ACTIONS, decide
from rotnet.inference.model_card import ModelCard
from rotnet.inference.options import Options
from rotnet.inference.prediction import AnglePrediction

CARD = {"min_confidence": 0.5, "max_upright": 0.01}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(compass_onnx(tmp_path_factory.mktemp("decision") / "model.onnx", card=CARD))


TABLE = [
    # degrees, options of the command, action, turned by about
    (0.0, [], "upright", 0.0),
    (1.0, [], "upright", 0.0),
    (8.0, [], "slight tilt", 0.0),
    (190.0, [], "turned", 190.0),
    (8.0, ["--level"], "turned", 8.0),
    (8.0, ["--no-level"], "slight tilt", 0.0),
    (352.0, ["--angle-range", "-15", "15"], "turned", 352.0),
    (352.0, ["--angle-range", "-15", "15", "--no-level"], "slight tilt", 0.0),
    (30.0, [], "turned", 30.0),
    (91.0, [], "turned", 90.0),
    (180.0, [], "turned", 180.0),
    (269.0, ["--min-confidence", "1"], "unsure", 0.0),
]


def keywords(arguments):
    """The options of a command as those of the API."""
    found = {}
    if "--level" in arguments:
        found["level"] = True
    if "--no-level" in arguments:
        found["level"] = False
    if "--angle-range" in arguments:
        found["angle_range"] = (-15.0, 15.0)
    if "--min-confidence" in arguments:
        found["min_confidence"] = 1.0
    return found


@pytest.mark.parametrize(("angle", "arguments", "action", "turned"), TABLE)
def test_every_way_in_says_the_same(folder, model, capsys, angle, arguments, action, turned):
    Image.fromarray(crooked(angle)).save("picture.png")
    options = keywords(arguments)
    # the API
    predictor = rotnet.Predictor(model)
    answer = rotnet.predict_angle("picture.png", model=predictor, angle_range=options.get("angle_range"))
    decision = predictor.decide(answer, Options(**options))
    assert decision.action == action
    assert angle_difference(decision.turn, turned) < 1.0 and (turned % 90 != 0 or decision.turn == turned)
    expected = {"action": action, "reason": decision.reason, "confidence": round(decision.confidence, 4)}
    if not arguments:  # these are asked nothing else
        (row,) = BatchPredictor(model).rows(["picture.png"])
        for found in (*rotnet.predict_files("picture.png", model=predictor), *check_files(["picture.png"], predictor)):
            assert {name: found.as_dict()[name] for name in expected} == expected
        assert {name: row[name] for name in expected} == expected
    upright = rotnet.correct_rotation("picture.png", model=predictor, **options)
    assert (np.asarray(upright).shape == crooked(angle).shape) is (turned in (0.0, 180.0))
    # the command, its plan and its report
    base = ["correct", "picture.png", "-o", "out", "--model", model, *arguments]
    assert main([*base, "--preview", "sheet.html", "--report", "plan.jsonl"]) == 0
    assert main([*base, "--report", "report.jsonl"]) == 0
    capsys.readouterr()
    (planned,), (done,) = (
        [json.loads(line) for line in Path(name).read_text().splitlines()] for name in ("plan.jsonl", "report.jsonl")
    )
    for row in (planned, done):
        assert {name: row[name] for name in expected} == expected
        assert row["angle"] == decision.angle
    assert (Path("picture.png").read_bytes() == Path("out/picture.png").read_bytes()) is (action != "turned")
    # the page of the preview
    page = Path("sheet.html").read_text()
    (shown,) = (json.loads(unescape(row)) for row in re.findall(r'data-row="([^"]*)"', page))
    assert shown == planned and decision.reason in unescape(page)


@pytest.mark.parametrize(("angle", "action"), [(row[0], row[2]) for row in TABLE if not row[1]])
def test_the_server_says_the_same(model, angle, action):
    testing = pytest.importorskip("starlette.testclient")
    from rotnet.web import create_app

    file = io.BytesIO()
    Image.fromarray(crooked(angle)).save(file, "PNG")
    client = testing.TestClient(create_app(model, hosts=()), base_url="http://localhost")
    answer = client.post("/predict", content=file.getvalue())
    predictor = rotnet.Predictor(model)
    decision = predictor.decide(rotnet.predict_angle(file.getvalue(), model=predictor))
    found = answer.json()
    assert (found["action"], found["reason"], found["turn"]) == (action, decision.reason, decision.turn)


def prediction(peaks, confidence):
    probabilities = np.full(360, 1e-4, np.float32)
    for angle, share in peaks.items():
        probabilities[angle] = share
    return AnglePrediction(float(max(peaks, key=peaks.get)), confidence, probabilities / probabilities.sum())


@pytest.mark.parametrize(
    ("answer", "action", "reason"),
    [
        (prediction({0: 1.0}, 0.99), "upright", "upright within 2°"),
        (prediction({9: 0.9, 3: 0.1}, 0.99), "slight tilt", r"slight tilt of 9.0°, may be meant so: left as it is"),
        (prediction({3: 0.6, 180: 0.3}, 0.55), "unsure", "maybe upright, maybe 3.0°"),
        (prediction({90: 0.5, 270: 0.45}, 0.5), "unsure", "not sure which way: 90.0° or -90.0°"),
        (prediction({90: 0.1}, 0.2), "unsure", "not sure which way: 90.0° is the best of many"),
        (prediction({180: 0.9, 0: 0.05}, 0.85), "unsure", "maybe upright, though 180.0° is likelier"),
        (prediction({180: 1.0}, 0.99), "turned", "turned by 180.0°"),
    ],
)
def test_the_reason_says_why(answer, action, reason):
    decision = decide(answer, ModelCard(min_confidence=0.8, max_upright=0.02))
    assert decision.action == action
    assert re.match(reason, decision.reason)


def test_the_number_is_that_of_the_verdict():
    """Nobody reads "100 %" beside "not sure", and two answers that exclude each other share one."""
    card = ModelCard(min_confidence=0.8, max_upright=0.02)
    rng = np.random.default_rng(0)
    for _ in range(500):
        two = {int(rng.integers(360)): float(rng.random()), int(rng.integers(360)): float(rng.random())}
        answer = prediction(two, 0.0)
        answer = replace(answer, confidence=card.confidence(answer.probabilities, answer.angle, 4))
        decision = decide(answer, card)
        assert decision.action in ACTIONS and 0 <= decision.confidence <= 1
        if decision.action != "unsure":
            assert decision.confidence >= 0.8
        elif decision.reason.startswith("not sure"):
            assert decision.confidence < 0.8
        elif angle_difference(answer.angle, 0.0) > 20:
            assert decision.confidence + answer.confidence <= 1 + 1e-6
