"""Fit what the lines of a picture are worth: `HALF` and `ONE` of `rotnet/geometry/lines.py`.

    python weights/tools/calibrate_lines.py PHOTOS MORE              # prints both, and how right they are
    python weights/tools/calibrate_lines.py PHOTOS MORE --answers    # answers with and without lines
    python weights/tools/calibrate_lines.py PHOTOS MORE --tilts      # what becomes of level and slightly tilted ones
    python weights/tools/calibrate_lines.py PHOTOS MORE --opposite   # how askew the panoramas of Street View are

Pictures to learn from are turned by any angle, cropped, saved as JPEG and answered by the network; the lines start from
its answer, and once more from a worse one, for these pictures the network knows. Whether what they say is right within
half a degree and within one is fitted by a logistic over their features. Answers and tilts are those of pictures to
choose by, which the network has not learned from, each turned by many angles.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from sources import photos

from rotnet import Predictor, read_image
from rotnet.evaluation.scores import level_score
from rotnet.evaluation.trials import make_trials
from rotnet.geometry import lines
from rotnet.geometry.angles import angle_difference, signed_difference
from rotnet.inference.decision import decide
from rotnet.inference.options import Options

LEVEL = "svcam"  # the source whose pictures are level, and how many of it and of others
STREET_VIEWS, OTHERS = 700, 60
SOURCES = "corel animals portraits sport22 weather bigcats flickr unsplash travels imagenet pets tud".split()
SHOWN = 504  # answers of each kind that are measured
FOLDS = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of upright photographs with a manifest.csv")
    parser.add_argument("--answers", action="store_true", help="measure the answers instead")
    parser.add_argument("--tilts", action="store_true", help="measure what becomes of slight tilts instead")
    parser.add_argument("--opposite", action="store_true", help="measure the panoramas instead")
    options = parser.parse_args()
    found = photos(options.folders)
    train, choose = ([photo for photo in found if photo.side == side] for side in ("train", "choose"))
    if options.opposite:
        opposite([photo.path for photo in train if photo.source == LEVEL])
    elif options.answers or options.tilts:
        for name, sources in ((LEVEL, [LEVEL]), ("others", SOURCES)):
            paths = [photo.path for photo in choose if photo.source in sources]
            print(f"{name}: {len(paths)} pictures")
            (answers if options.answers else tilts)(name, paths, repeats=max(1, SHOWN // len(paths)))
    else:
        calibrate(*examples(some(train, np.random.default_rng(17))))


def some(train, rng):
    """As many pictures of each source as are looked at."""
    chosen = []
    for source in (LEVEL, *SOURCES):
        found = [photo.path for photo in train if photo.source == source]
        chosen += list(rng.permutation(found)[: STREET_VIEWS if source == LEVEL else OTHERS])
    return chosen


def examples(paths):
    """Features and errors in degrees of what lines say, and the number of the picture."""
    predictor, rng = Predictor("photo"), np.random.default_rng(3)
    features, errors, pictures = [], [], []
    for number, trial in enumerate(make_trials(paths, seed=17)):
        image = read_image(trial.render())
        network = predictor.predict(image, refine=None).angle
        worse = trial.angle + 1.35 * float(rng.standard_t(2))  # median error 1.1 degrees, as the network's, heavy tails
        for up in (network, worse):
            said = features_and_roll(image, up)
            if said is not None and abs(signed_difference(up, trial.angle)) <= 12.0:
                features.append(said[0])
                errors.append(abs(float(signed_difference(up + said[1], trial.angle))))
                pictures.append(number)
    return np.array(features), np.array(errors), np.array(pictures)


def answers(name, paths, *, repeats):
    """How far answers are off, by the network alone and with lines."""
    predictor = Predictor("photo")
    trials = make_trials(paths, seed=17, repeats=repeats)
    views = [predictor.view(trial.render()) for trial in trials]
    truth = np.array([trial.angle for trial in trials])
    for refine in (None, "lines"):
        found = np.array([one.angle for one in predictor.predict_views(views, Options(refine=refine))])
        errors = np.asarray(angle_difference(found, truth))
        score = level_score(errors)
        within = f"{score.within_half:.1%} within 0.5, {score.within_1:.1%} within 1, AUC@1 {score.auc_1:.1%}"
        print(f"{name}, refine={refine}, n {len(errors)}: median {np.median(errors):.2f}, {within}", flush=True)


def tilts(name, paths, *, repeats):
    """What `correct` does to windows of upright pictures and to pictures tilted by 2 to 10 degrees."""
    predictor, rng = Predictor("photo"), np.random.default_rng(5)
    number = len(paths) * repeats
    drawn = rng.uniform(2, 10, number) * rng.choice([-1, 1], number)
    windows = make_trials(paths, seed=17, repeats=repeats, protocol="upright")
    tilted = make_trials(paths, seed=17, repeats=repeats, angles=(drawn % 360).tolist())
    for kind, angles, trials in (("upright", np.zeros(number), windows), ("tilted", drawn, tilted)):
        answers = list(predictor.predict_views([predictor.view(trial.render()) for trial in trials], Options()))
        network = np.array([answer.angle - answer.refined_by for answer in answers])
        off = np.asarray(signed_difference(network, angles))
        lined = np.asarray(angle_difference([answer.angle for answer in answers], angles))
        print(
            f"{name} {kind}, n {number}: median error {np.median(np.abs(off)):.2f} degrees by the network, "
            f"{np.median(lined):.2f} with lines; pull towards upright {np.median(-off * np.sign(angles)):.2f}",
            flush=True,
        )
        for level in (False, None, True):
            turns = np.array([decide(answer, predictor.card, Options(level=level)).turn for answer in answers])
            left = np.asarray(angle_difference(angles, turns))
            turned, worse = turns != 0, left > np.abs(angles) + 1
            print(
                f"{name} {kind}, level={level}, n {number}: turned {turned.mean():.1%}, of these within 0.7 "
                f"degrees {(left[turned] <= 0.7).mean() if turned.any() else 0:.1%}, by more than 5 degrees "
                f"{(np.asarray(angle_difference(turns, 0)) > 5).sum()}, worse by more than 1 degree {worse.sum()}",
                flush=True,
            )


def features_and_roll(image, up):
    """What the calibration looks at, and the roll; None where lines say nothing."""
    kept, features = [], lines._features
    lines._features = lambda *given: kept.append(features(*given)) or kept[-1]
    try:
        estimate = lines.level_from_lines(image, up=up)
    finally:
        lines._features = features
    return None if estimate is None else (kept[-1], estimate.roll)


def calibrate(features, errors, pictures):
    fold = pictures % FOLDS
    for name, limit in (("HALF", 0.5), ("ONE", 1.0)):
        right = errors <= limit
        said = np.empty(len(right))
        for held_out in range(FOLDS):
            now = fold == held_out
            said[now] = logistic(features[now] @ fitted(features[~now], right[~now]))
        for low in np.arange(0.0, 1.0, 0.1):
            if (inside := (said >= low) & (said < low + 0.1)).any():
                print(f"# {name}: {said[inside].mean():.2f} is {right[inside].mean():.2f} (n {inside.sum()})")
        print(f"{name} = ({', '.join(f'{value:.3f}' for value in fitted(features, right))})", flush=True)


def fitted(features, right):
    """Logistic regression by Newton's method, with a little weight decay on all but the constant."""
    weights, decay = np.zeros(features.shape[1]), np.array([1e-6] + [1.0] * (features.shape[1] - 1))
    for _ in range(30):
        share = logistic(features @ weights)
        curvature = (features.T * (share * (1 - share))) @ features + np.diag(decay)
        weights += np.linalg.solve(curvature, features.T @ (right - share) - decay * weights)
    return weights


def logistic(values):
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def opposite(paths):
    """Opposite views of a panorama that is askew by r roll by r and -r; files are numbered, four views a panorama."""
    by_number, panoramas = {int(Path(path).stem): path for path in paths}, []
    for number in sorted(by_number):
        is_new = not panoramas or number >= panoramas[-1] + 4
        if is_new and all(number + view in by_number for view in range(4)):
            panoramas.append(number)
    rolls = np.full((len(panoramas), 4), math.nan)
    for row, first in enumerate(panoramas):
        for view in range(4):
            found = lines.level_from_lines(read_image(by_number[first + view]))
            if found is not None and found.probability_one > 0.7:
                rolls[row, view] = found.roll
    pairs = np.concatenate([rolls[:, [0, 2]], rolls[:, [1, 3]]])
    pairs = pairs[np.abs(pairs).max(axis=1) < 4]  # NaN compares as false
    own = (pairs.sum(axis=1)).std() / math.sqrt(2)
    askew = math.sqrt(max(0.0, (pairs[:, 0] - pairs[:, 1]).var() / 2 - own**2))
    correlation = np.corrcoef(pairs.T)[0, 1]
    print(f"{len(pairs)} pairs of opposite views, correlation {correlation:.2f}")
    print(f"standard deviation: lines' own error {own:.2f} degrees, panoramas {askew:.2f} degrees")


if __name__ == "__main__":
    main()
