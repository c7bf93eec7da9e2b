"""Train a small neural network on scikit-learn's handwritten digits; killed at any time, it goes on where it was.

The first epochs measure this machine and fix how many follow (`--seconds`), or `--epochs` says it. The number is kept
in the checkpoint, so that an interrupted run and an uninterrupted one end with the same model.
"""

import argparse
import json
import os
import time
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

CHECKPOINT = Path("checkpoint/state.joblib")
MEASURED_EPOCHS = 12
CHECKPOINT_EVERY_S = 1.5
CLASSES = np.arange(10)


def shift_images(images, *, seed):
    """Return the 8×8 images, each moved by at most one pixel: fresh training examples every epoch."""
    random = np.random.default_rng(seed)
    moved = np.empty_like(images)
    for index, (down, right) in enumerate(random.integers(-1, 2, size=(len(images), 2))):
        moved[index] = np.roll(images[index].reshape(8, 8), (down, right), axis=(0, 1)).ravel()
    return moved


def save_checkpoint(state):
    """Write the state beside the old one, then replace it: a kill in between loses nothing."""
    CHECKPOINT.parent.mkdir(exist_ok=True)
    fresh = CHECKPOINT.with_suffix(".fresh")
    joblib.dump(state, fresh)
    os.replace(fresh, CHECKPOINT)


def main():
    """Train, report progress, leave model.joblib and metrics.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=66.0)
    parser.add_argument("--epochs", type=int, default=0)
    options = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images / 16.0, labels, test_size=0.25, random_state=7, stratify=labels
    )
    if CHECKPOINT.exists():
        state = joblib.load(CHECKPOINT)
        print(f"going on from epoch {state['epoch']} of {state['epochs'] or '?'}", flush=True)
    else:
        model = MLPClassifier(hidden_layer_sizes=(384, 192), learning_rate_init=5e-4, alpha=1e-4, random_state=7)
        state = {"model": model, "epoch": 0, "epochs": options.epochs, "resumes": -1}
    state["resumes"] += 1
    model = state["model"]

    started = saved = time.monotonic()
    while not state["epochs"] or state["epoch"] < state["epochs"]:
        model.partial_fit(shift_images(train_x, seed=state["epoch"]), train_y, classes=CLASSES)
        state["epoch"] += 1
        now = time.monotonic()
        if not state["epochs"] and state["epoch"] == MEASURED_EPOCHS:
            state["epochs"] = max(MEASURED_EPOCHS + 1, round(options.seconds * MEASURED_EPOCHS / (now - started)))
            print(f"{state['epochs']} epochs will take about {options.seconds:.0f} s here", flush=True)
        if now - saved >= CHECKPOINT_EVERY_S:
            save_checkpoint(state)
            saved = now
            print(f"epoch {state['epoch']}/{state['epochs'] or '?'} loss {model.loss_:.4f}", flush=True)
    save_checkpoint(state)

    accuracy = float(model.score(test_x, test_y))
    joblib.dump(model, "model.joblib")
    metrics = {"accuracy": accuracy, "epochs": state["epochs"], "loss": model.loss_, "resumes": state["resumes"]}
    Path("metrics.json").write_text(json.dumps(metrics, sort_keys=True) + "\n")
    print(f"accuracy on {len(test_y)} unseen digits: {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
