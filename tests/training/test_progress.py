import io

import keras
import pytest

from rotnet.training.progress import shown_figures, watched


class Terminal(io.StringIO):
    def isatty(self):
        return True


def taught(told, epochs):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    pictures, answers = keras.ops.ones((8, 2)), keras.ops.ones(8)
    held_out = (pictures, answers)
    model.fit(pictures, answers, batch_size=2, epochs=epochs, validation_data=held_out, **told)


@pytest.mark.parametrize("screen", [Terminal, io.StringIO])
def test_a_bar_runs_through_each_epoch_on_a_terminal_only(monkeypatch, screen):
    stream, lines = screen(), []
    monkeypatch.setattr("sys.stderr", stream)
    with watched(lines.append, "stage 1 of 2, ") as told:
        taught(told, epochs=2)
    assert [line.partition(":")[0] for line in lines] == ["stage 1 of 2, epoch 1 of 2", "stage 1 of 2, epoch 2 of 2"]
    assert "on held-out pictures" in lines[0] and " left)" in lines[0] and " left" not in lines[1]
    shown = stream.getvalue()
    if screen is Terminal:
        assert "stage 1 of 2, epoch 2 of 2" in shown and "4/4" in shown
    else:
        assert shown == ""


def test_the_time_left_is_that_of_the_stage_at_hand(monkeypatch):
    clock, lines = iter([0, 1, 1, 2, 2, 6, 6, 10]), []
    monkeypatch.setattr("rotnet.training.progress.time.monotonic", lambda: next(clock))
    with watched(lines.append) as told:
        (bar,) = told["callbacks"]
        for _ in range(2):  # a quick stage and a slow one
            bar.set_params({"epochs": 2, "steps": 1})
            bar.on_train_begin()
            for epoch in range(2):
                bar.on_epoch_begin(epoch)
                bar.on_epoch_end(epoch, {"loss": 1.0})
    assert "about 1 s left" in lines[0] and "about 4 s left" in lines[2]


def test_the_bar_is_taken_away_from_a_training_that_is_stopped(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with pytest.raises(KeyboardInterrupt), watched(lambda line: None) as told:
        told["callbacks"][0].set_params({"epochs": 3, "steps": 4})
        told["callbacks"][0].on_epoch_begin(0)
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\r") and told["callbacks"][0].bar is None


def test_without_a_listener_keras_tells(capsys):
    with watched(None) as told:
        assert told == {}


def test_classes_and_anything_else_are_told_too():
    assert shown_figures({"accuracy": 0.5, "loss": 2.0}) == "50% right"
    assert shown_figures({"loss": 2.0, "val_loss": 3.0}) == "loss 2, 3 on held-out pictures"
    assert shown_figures({}) == ""
