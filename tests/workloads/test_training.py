"""The stored network was trained without the digits that test it, and training again reproduces it."""

import numpy as np
import pytest

from pipeline.workloads.digit_network import golden_logits, load_weights
from pipeline.workloads.digits import HELDOUT, VALIDATION, WEIGHTS, Digits, load_digits, split
from pipeline.workloads.train_mlp_digits import SEED, gradient_sums, save, train


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def arrays_of(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def test_the_parts_are_disjoint_and_together_are_all_digits(digits):
    parts = split(len(digits.labels), SEED)
    together = np.concatenate([parts.training, parts.validation, parts.heldout])
    assert sorted(together) == list(range(len(digits.labels)))
    assert (len(parts.validation), len(parts.heldout)) == (VALIDATION, HELDOUT)


def test_no_held_out_image_occurs_among_those_for_training_and_validation(digits):
    parts = split(len(digits.labels), SEED)
    known = {image.tobytes() for image in digits.images[np.concatenate([parts.training, parts.validation])]}
    assert not [i for i in parts.heldout if digits.images[i].tobytes() in known]


def test_held_out_digits_have_no_influence_on_the_weights(digits):
    heldout = split(len(digits.labels), SEED).heldout
    images, labels = digits.images.copy(), digits.labels.copy()
    images[heldout] = 16 - images[heldout]
    labels[heldout] = 9 - labels[heldout]
    with_truth = train(digits, hidden=12, epochs=4)
    with_lies = train(Digits(images, labels), hidden=12, epochs=4)
    assert with_truth.epoch == with_lies.epoch
    for one, other in zip(with_truth.network.parameters(), with_lies.network.parameters(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert with_truth.heldout_accuracy != with_lies.heldout_accuracy


def test_the_stored_network_names_the_digits_that_it_has_not_seen(digits):
    stored = arrays_of(WEIGHTS)
    np.testing.assert_array_equal(stored["heldout"], split(len(digits.labels), int(stored["seed"])).heldout)


def test_the_stored_accuracy_is_what_the_stored_weights_reach(digits):
    stored, weights = arrays_of(WEIGHTS), load_weights(WEIGHTS)
    heldout = digits.take(weights.heldout)
    accuracy = float(np.mean(golden_logits(weights, heldout.images).argmax(axis=1) == heldout.labels))
    assert accuracy == float(stored["heldout_accuracy"])
    assert accuracy >= 0.97


def test_training_again_reproduces_the_stored_file(digits, tmp_path):
    save(train(digits), SEED, tmp_path / "again.npz")
    stored, again = arrays_of(WEIGHTS), arrays_of(tmp_path / "again.npz")
    assert stored.keys() == again.keys()
    for name, values in stored.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)
        assert again[name].dtype == values.dtype


def test_gradients_are_the_same_bits_however_a_batch_is_divided(digits):
    def in_parts(network, batch):
        parts = [batch.take(indices) for indices in np.array_split(np.arange(len(batch.labels)), 7)]
        return tuple(sum(sums) for sums in zip(*(gradient_sums(network, part) for part in parts), strict=True))

    whole, divided = (train(digits, hidden=12, epochs=2, batch=128, sums=sums) for sums in (gradient_sums, in_parts))
    for mine, theirs in zip(whole.network.parameters(), divided.network.parameters(), strict=True):
        assert np.array_equal(mine, theirs)
