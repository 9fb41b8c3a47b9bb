"""What is measured is what is said to be: angles, protocols, figures, calibration, and the pictures left alone."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from compass import compass_onnx, crooked
from pictures import encoded

import rotnet
from rotnet.cli.main import main
from rotnet.errors import UsageError
from rotnet.evaluation import (
    Evaluation,
    Trial,
    calibrate,
    calibration_error,
    evaluate,
    evaluate_views,
    held_out_confidence,
    is_guessing,
    largest_harmless,
    rates,
    rivals,
    score,
    summary,
)
from rotnet.evaluation.reports import Report
from rotnet.evaluation.scores import angle_curve, quadrants, reliability, risk_coverage
from rotnet.evaluation.trials import texture, white_noise
from rotnet.geometry.angles import angle_difference
from rotnet.geometry.warping import rotate
from rotnet.images.reading import read_image


@pytest.fixture
def upright():
    return [crooked(0.0, 120, 160) for _ in range(6)]


def found(truth, angles, confidence, upright=0.0, turned=True):
    truth, angles, confidence = (np.asarray(values, float) for values in (truth, angles, confidence))
    full = np.full(len(truth), 1.0)
    return Evaluation((), truth, angles, confidence, confidence, upright * full, np.asarray(turned * full, bool))


# Protocols ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["memory", "files", "twice"])
def test_protocols_turn_by_the_angle_they_report(compass, upright, protocol):
    result = evaluate(upright, model=compass, protocol=protocol, seed=3)
    assert result.scores.pictures == 6
    assert result.scores.mean < 1.5
    assert len(set(result.truth)) == 6 and (result.truth % 1 != 0).all()


def test_files_are_jpegs_of_the_largest_rectangle():
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    data = Trial(picture, 30.0, "files").render()
    assert data[:3] == b"\xff\xd8\xff"
    turned = rotate(picture, 30.0, crop="inscribed", interpolation="cubic")
    assert read_image(data).shape == turned.shape
    assert data == encoded(turned, "JPEG", quality=90)
    np.testing.assert_array_equal(Trial(picture, 30.0, "memory").render(), turned)
    assert Trial(picture, 30.0, "twice", (0, 1, 0)).render() != data


def test_upright_shows_the_picture_itself_then_windows(compass, upright, tmp_path):
    path = tmp_path / "upright.png"
    path.write_bytes(encoded(upright[0]))
    assert Trial(path, 0.0, "upright", (0, 5, 0)).render() is path
    height, width = read_image(Trial(path, 0.0, "upright", (0, 5, 1)).render()).shape[:2]
    assert 90 <= height < 120 and 120 <= width < 160
    result = evaluate([path], model=compass, protocol="upright", repeats=3)
    assert result.truth.tolist() == [0.0, 0.0, 0.0]
    assert result.scores.mean < 1.5


def test_noise_leaves_nothing_to_read(compass, upright):
    result = evaluate(upright * 12, model=compass, protocol="noise", turns=1)
    assert 60 < result.scores.mean < 120
    assert {trial.content for trial in result.trials} == {"white noise", "texture"}


def test_texture_looks_the_same_in_all_directions():
    rng = np.random.default_rng(0)
    steps = np.array(
        [[np.abs(np.diff(texture((96, 96), rng).astype(float), axis=axis)).mean() for axis in (0, 1)] for _ in range(8)]
    )
    assert steps.mean(axis=0)[0] == pytest.approx(steps.mean(axis=0)[1], rel=0.05)
    assert steps.mean() < np.abs(np.diff(white_noise((96, 96), rng).astype(float), axis=0)).mean() / 2


def test_same_seed_same_pictures_and_answers(compass, upright):
    first, second, other = (evaluate(upright, model=compass, seed=seed, protocol="twice") for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.angles, second.angles)
    assert [trial.render() for trial in first.trials] == [trial.render() for trial in second.trials]
    assert (first.truth != other.truth).all()


@pytest.mark.parametrize("angles", [[0.0, 90.0, 180.0, 270.0], 45.0])
def test_fixed_angles_and_repeats(compass, upright, angles):
    result = evaluate(upright[:2], model=compass, angles=angles, repeats=2)
    assert result.truth.tolist() == (angles if isinstance(angles, list) else [angles] * 4)
    assert result.scores.mean < 0.5


def test_folder_of_which_some_cannot_be_read(compass, upright, tmp_path):
    for number, picture in enumerate(upright[:3]):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    assert rotnet.evaluate(tmp_path, model=compass).scores.pictures == 3
    with pytest.raises(UsageError, match="1 that cannot"):
        rotnet.evaluate([tmp_path / "broken.jpg"], model=compass)


def test_function_in_place_of_a_model(upright):
    result = evaluate(upright, model=lambda image: -10.0, angles=0.0)
    assert result.angles.tolist() == [350.0] * 6
    assert result.turned.all() and np.isnan(result.confidence).all()
    assert "calibration_error" not in summary(result)


def test_options_of_the_answer_are_passed_on(compass, upright):
    result = evaluate(upright, model=compass, angles=80.0, right_angles=True, turns=1)
    assert result.angles.tolist() == [90.0] * 6
    assert np.abs(evaluate(upright, model=compass, angles=5.0, angle_range=(-3, 3)).angles - 3.0).max() < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "paper"}, "protocol must be one of"),
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"angles": [1.0]}, "one for each of 6 trials"),
        ({"angles": float("nan")}, "one finite number"),
        ({"turns": 3}, "turns must be 1 or 4"),
    ],
)
def test_wrong_options_are_refused(compass, upright, options, message):
    with pytest.raises(UsageError, match=message):
        evaluate(upright, model=compass, **options)


def test_no_pictures_are_refused(compass):
    with pytest.raises(UsageError, match="at least one picture"):
        evaluate([], model=compass)


def test_views_that_are_turned_already(compass, upright):
    truth = np.array([10.0, 200.0])
    pictures = [rotate(upright[0], angle, crop="inscribed") for angle in truth]
    assert evaluate_views(compass, pictures, truth).scores.mean < 1.0
    with pytest.raises(UsageError, match=rf"an angle for each of {len(truth)} pictures. Received: shape \(1,\)"):
        evaluate_views(compass, pictures, truth[:1])


# Figures --------------------------------------------------------------------------------------------------------------


def test_score_counts_around_the_circle():
    scores = score([0, 0, 0, 0], [1, 359, 100, 180])
    assert scores.mean == pytest.approx((1 + 1 + 100 + 180) / 4)
    assert (scores.within_2, scores.gross, scores.flipped, scores.quadrant) == (0.5, 0.5, 0.5, 0.5)


@pytest.mark.parametrize(("truth", "angles"), [([], []), ([1.0], [1.0, 2.0])])
def test_score_refuses_what_it_cannot_count(truth, angles):
    with pytest.raises(ValueError, match="Received"):
        score(truth, angles)


def test_guesses_are_told_from_answers():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 360, (200, 60))
    guesses = rng.uniform(0, 360, (200, 60))
    told = [is_guessing(score(*pair)) for pair in zip(truth, guesses, strict=True)]
    assert np.mean(told) > 0.95
    constant = [is_guessing(score(row, np.full(60, 30.0))) for row in truth]
    assert np.mean(constant) > 0.95
    # right in a third of the pictures, or right but for half turns: not much, but not guessed
    third = np.where(rng.random((200, 60)) < 1 / 3, truth, guesses)
    flipped = truth + 180 * rng.integers(0, 2, (200, 60))
    for answers in (third, flipped):
        assert not any(is_guessing(score(*pair)) for pair in zip(truth, answers, strict=True))


def test_quadrants_agree_with_the_score():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 360, 500)
    angles = truth + rng.normal(0, 60, 500)
    counts = quadrants(truth, angles)
    assert counts.sum() == 500
    assert np.trace(counts) / 500 == pytest.approx(score(truth, angles).quadrant)


def test_curve_by_angle():
    middles, means, medians = angle_curve([350, 10, 44, 46, 90], [351, 13, 44, 48, 80], parts=4)
    assert middles.tolist() == [0, 90, 180, 270]
    np.testing.assert_allclose(means, [4 / 3, 6, np.nan, np.nan])
    np.testing.assert_allclose(medians, [1, 6, np.nan, np.nan])


def test_risk_grows_from_the_surest_on():
    coverage, risk, least = risk_coverage([0.2, 0.9, 0.5, 0.7], [True, False, True, False])
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == [0.0, 0.0, pytest.approx(1 / 3), 0.5]
    assert least.tolist() == [0.9, 0.7, 0.5, 0.2]


def test_reliability_of_few_answers():
    means, shares, counts = reliability([0.1, 0.9], [False, True], bins=10)
    assert (means.tolist(), shares.tolist(), counts.tolist()) == ([0.1, 0.9], [0.0, 1.0], [1, 1])
    assert calibration_error([0.1, 0.9], [False, True]) == pytest.approx(0.1)


# Calibration ----------------------------------------------------------------------------------------------------------


def test_calibration_recovers_a_known_logistic():
    rng = np.random.default_rng(0)
    mass = rng.uniform(0.02, 0.98, 20000)
    odds = np.log(mass / (1 - mass))
    right = rng.random(20000) < 1 / (1 + np.exp(-(2.0 * odds + 0.5)))
    slope, intercept = calibrate(mass, right)
    assert (slope, intercept) == (pytest.approx(2.0, abs=0.1), pytest.approx(0.5, abs=0.1))
    confidence = held_out_confidence(mass, right, np.arange(20000) // 4)
    assert calibration_error(confidence, right) < 0.02 < calibration_error(mass, right)


@pytest.mark.parametrize("right", [np.ones(50, bool), np.zeros(50, bool), np.arange(50) > 24])
def test_calibration_stays_finite(right):
    assert np.isfinite(calibrate(np.linspace(0.01, 0.99, 50), right)).all()


def test_picture_is_never_judged_by_a_calibration_that_saw_it():
    picture = np.repeat(np.arange(10), 5)
    mass, right = np.full(50, 0.5), picture == 3
    confidence = held_out_confidence(mass, right, picture, folds=10)
    assert confidence[picture == 3].max() < 0.05 < confidence[picture == 4].min()


def test_few_enough_upright_pictures_are_turned():
    rng = np.random.default_rng(1)
    angles = np.where(rng.random(2000) < 0.2, 90.0, 1.0)
    upright = found(np.zeros(2000), angles, rng.uniform(0, 1, 2000))
    upright = replace(upright, upright=rng.uniform(0, 1, 2000))
    doubt = largest_harmless(upright, min_confidence=0.5)
    for limit, is_harmless in ((doubt, True), (doubt + 0.02, False)):
        harmed = (angles > 5) & (upright.confidence >= 0.5) & (upright.upright <= limit)
        assert (harmed.mean() < 1 / 500) == is_harmless


def test_harmless_model_need_not_doubt():
    assert largest_harmless(found([0.0, 0.0], [4.0, 300.0], [0.9, 0.1]), min_confidence=0.5) == 1.0


def test_model_that_is_sure_of_what_is_wrong_turns_nothing():
    assert largest_harmless(found([0.0] * 9, [180.0] * 9, [1.0] * 9), min_confidence=0.5) == 0.0


def test_rates_count_what_is_turned():
    crooked_ones = found([50, 50, 50, 50], [51, 70, 50, 200], [1, 1, 1, 1], turned=np.array([1, 1, 0, 0]))
    upright = found([0, 0, 0, 0], [7, 180, 2, 90], [1, 1, 1, 1], turned=np.array([1, 1, 1, 0]))
    assert rates(crooked_ones, upright) == {
        "upright_turned_over_5": 0.5,
        "upright_turned_over_10": 0.25,
        "crooked_turned": 0.5,
        "crooked_corrected": 0.25,
        "turned_wrongly": 0.25,
    }


# Rivals ---------------------------------------------------------------------------------------------------------------


def test_rivals_are_shown_the_same_files(compass, upright, monkeypatch):
    seen = []
    here = rivals.Rival("here", "json", lambda: lambda image: float(seen.append(image.shape) or 90.0))
    away = rivals.Rival("away", "no_such_module", lambda: pytest.fail("is not installed"))
    monkeypatch.setattr(rivals, "RIVALS", (here, away))
    tasks = rivals.compare(upright, model=compass)
    assert list(tasks) == ["any angle", "quarter turns", "tilts"]
    for by_name in tasks.values():
        assert list(by_name) == ["rotnet", "here"]
        np.testing.assert_array_equal(by_name["rotnet"].truth, by_name["here"].truth)
        assert by_name["rotnet"].scores.mean < 1.5
    assert len(seen) == 18
    assert set(tasks["quarter turns"]["rotnet"].angles) <= {0.0, 90.0, 180.0, 270.0}
    assert np.max(angle_difference(tasks["tilts"]["here"].truth, 0)) <= 15


def test_a_rival_whose_program_is_missing_is_not_installed():
    assert rivals.Rival("tool", "json", float, program="python3").is_installed
    assert not rivals.Rival("tool", "json", float, program="no-such-program").is_installed


@pytest.mark.parametrize("rival", rivals.RIVALS, ids=lambda rival: rival.module)
def test_installed_rivals_answer_in_our_direction(rival):
    if not rival.is_installed:
        pytest.skip(f"{rival.name} is not installed")
    answer = rival.load()
    page = np.full((400, 600, 3), 255, np.uint8)
    page[40:360:24, 40:560] = 0
    tilted = rotate(page, 5.0, crop="inscribed")
    assert np.min(angle_difference(answer(tilted), [5.0, 0.0, 90.0, 180.0, 270.0])) < 0.5


# Reports and the command ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, upright):
    path = tmp_path / "upright"
    path.mkdir()
    for number, picture in enumerate(upright[:4]):
        (path / f"{number}.png").write_bytes(encoded(picture))
    return path


def test_command_prints_a_table_and_writes_json(tmp_path, folder, capsys):
    compass = compass_onnx(tmp_path / "compass.onnx", card={"max_upright": 0.5})
    command = ["evaluate", str(folder), "--model", str(compass), "--protocol", "files", "noise", "--repeats", "2"]
    assert main([*command, "--json", str(tmp_path / "out.json")]) == 0
    output = capsys.readouterr().out
    assert re.search(r"^files +8 +\d", output, re.MULTILINE) and re.search(r"^noise +8 ", output, re.MULTILINE)
    assert "upright pictures turned by more than 5°" in output
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["protocols"]["files"]["pictures"] == 8
    assert set(written["protocols"]["noise"]["mean_by_content"]) == {"texture", "white noise"}
    assert written["threshold"]["upright_turned_over_5"] == 0.0
    assert len(written["by_angle"]) == 24 and np.sum(written["quadrants"]) == 8
    assert written["risk_coverage"][-1]["coverage"] == 1.0 and written["reliability"]


def test_command_tells_what_it_left_out(folder, model, capsys):
    (folder / "broken.jpg").write_bytes(b"no picture")
    assert main(["evaluate", str(folder), "--model", model, "--turns", "1", "--angle-range", "-90", "90"]) == 1
    assert "1 of 5 pictures cannot be read" in capsys.readouterr().err


def test_command_measures_what_training_held_back(folder, model, capsys):
    (folder / "manifest.csv").write_text("path,split\n0.png,train\n1.png,val\n2.png,val\n")
    assert main(["evaluate", str(folder), "--model", model, "--val"]) == 0
    assert re.search(r"^files +2 ", capsys.readouterr().out, re.MULTILINE)


def test_command_names_the_rivals_that_are_absent(folder, model, capsys, monkeypatch):
    away = rivals.Rival("Away", "no_such_module", lambda: pytest.fail("is not installed"), program="no-such-program")
    monkeypatch.setattr(rivals, "RIVALS", (away,))
    assert main(["evaluate", str(folder), "--model", model, "--rivals"]) == 0
    output = capsys.readouterr()
    assert "Away" in output.err and "rotnet[rivals]', and the program no-such-program" in output.err
    assert re.search(r"^tilts +pictures", output.out, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--protocol", "paper"], ["--turns", "2"], ["--repeats", "0"]])
def test_command_refuses_wrong_options(folder, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", str(folder), *arguments])
    assert stopped.value.code == 2


def test_command_replaces_no_picture(folder, model, capsys):
    picture = next(path for path in folder.iterdir() if path.suffix in (".png", ".jpg"))
    before = picture.read_bytes()
    for option, sentence in (("--json", "would replace a picture"), ("--report", "its name must end in .html")):
        assert main(["evaluate", str(folder), "--model", model, option, str(picture)]) == 2
        assert sentence in capsys.readouterr().err
    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    ("allowed", "angles"), [({"angle_range": (-15, 15)}, (-15, 15)), ({"right_angles": True}, (0, 270))]
)
def test_pictures_are_turned_by_allowed_angles_only(compass, upright, allowed, angles):
    found = evaluate(upright, model=compass, repeats=5, **allowed)
    assert angles[0] <= found.truth.min() and found.truth.max() <= angles[1]
    assert found.errors.max() < 5
    if "right_angles" in allowed:
        assert set(found.truth) <= {0.0, 90.0, 180.0, 270.0}


def test_pictures_that_cannot_be_read_say_why(compass):
    with pytest.raises(UsageError, match=r"nowhere\.jpg cannot be opened"):
        evaluate(["nowhere.jpg"], model=compass)


def test_command_says_what_cannot_be_written(tmp_path, folder, model, capsys):
    target = tmp_path / "no" / "out.json"
    assert main(["evaluate", str(folder), "--model", model, "--json", str(target)]) == 1
    out, err = capsys.readouterr()
    assert f"{target} cannot be written" in err and not out  # before anything was measured
    assert main(["evaluate", str(folder), "--model", model, "--json", str(tmp_path)]) == 1
    assert f"{tmp_path} cannot be written" in capsys.readouterr().err


def test_page_stands_on_its_own(compass, upright):
    pytest.importorskip("matplotlib")
    report = Report(
        "a <model>",
        {"files": evaluate(upright, model=compass)},
        evaluate(upright, model=compass, protocol="upright"),
        {"tilts": {"level": evaluate(upright, model=lambda image: 0.0, angles=3.0)}},
    )
    page = report.as_html()
    assert "a &lt;model&gt;" in page and "<model>" not in page
    assert page.count("data:image/png;base64,") == 6
    assert not re.search(r"(src|href)='(?!data:)", page)
    assert "Beside others, tilts" in page and "level" in page


def test_page_of_a_function_does_without_confidences(upright):
    pytest.importorskip("matplotlib")
    answers = evaluate(upright, model=lambda image: 0.0)
    assert Report("level", {"files": answers}, answers).as_html().count("data:image/png;base64,") == 4


def test_gray_pictures_may_be_a_stack(compass):
    assert evaluate(np.zeros((5, 40, 30), np.uint8), model=compass).scores.pictures == 5


def test_one_picture_in_the_place_of_several_and_a_wrong_seed_are_refused():
    with pytest.raises(UsageError, match="put one into a list. Received: ndarray"):
        evaluate(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(UsageError, match="seed=-1"):
        evaluate([np.zeros((20, 30, 3), np.uint8)], seed=-1)
