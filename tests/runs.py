"""Runs over files with a plain keyword for each option, as the tests want them."""

from dataclasses import fields

from rotnet.files import Turning, correct_targets, decide_files
from rotnet.inference.options import Options


def asked(**keywords):
    """Options of the model and of the turn, out of one bunch of keywords."""
    of_options = {field.name for field in fields(Options)} - {"quarter_turns"}
    options = Options(
        **{name: value for name, value in keywords.items() if name in of_options},
        quarter_turns=keywords.get("quarter_turns") != "off",
    )
    return options, Turning(**{name: value for name, value in keywords.items() if name not in of_options})


def correct_planned(targets, predictor, *, journal=None, jobs=2, overwrite=False, **keywords):
    """As `rotnet.files.correct_targets`."""
    return correct_targets(targets, predictor, *asked(**keywords), journal=journal, jobs=jobs, overwrite=overwrite)


def decide(targets, predictor, *, jobs=2, **keywords):
    """As `rotnet.files.decide_files`."""
    options, how = asked(**keywords)
    return decide_files(targets, predictor, options, how, jobs=jobs)
