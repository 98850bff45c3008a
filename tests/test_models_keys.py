"""The network for keys hears the same thing at every key."""

from __future__ import annotations

import pytest
import torch

from earmark.errors import ConfigError
from earmark.models import KeysConfig
from earmark.models.keys import SpectrumPool

N_KEYS, N_BINS = 24, 120


def built(**changes):
    torch.manual_seed(0)
    config = KeysConfig(local_channels=4, shared_channels=8, octaves_below=1, octaves_above=2, **changes)
    return config.build(n_labels=N_KEYS, input_shape=(1, N_BINS, 6)).eval()


def partials(key):
    """A note: four partials at their places over a logarithmic axis of 36 bins an octave."""
    picture = torch.full((1, 1, N_BINS, 6), -60.0)
    for offset in (0, 36, 57):
        if 1 + 3 * key + offset < N_BINS:
            picture[:, :, 1 + 3 * key + offset] = -offset / 10
    return picture


def test_a_semitone_higher_moves_the_logits_by_a_key():
    network = built()
    with torch.no_grad():
        network.place.zero_()
        low, high = network(partials(8)), network(partials(9))
    assert torch.allclose(low[0, 5:14], high[0, 6:15], atol=1e-4)
    assert not torch.allclose(low[0, 5:14], high[0, 5:14], atol=1e-3)


def test_the_place_on_the_keyboard_is_told():
    network = built()
    with torch.no_grad():
        assert not torch.allclose(network(partials(8))[0, 5:14], network(partials(9))[0, 6:15], atol=1e-3)


def test_a_gain_changes_nothing():
    network = built()
    with torch.no_grad():
        assert torch.allclose(network(partials(4)), network(partials(4) - 33.0), atol=1e-4)


def test_notes_are_learned_and_carry_over_to_keys_never_heard():
    network = built(dropout=0.0).train()
    keys = torch.arange(2, N_KEYS - 4, 2)
    pictures = torch.cat([partials(int(key)) for key in keys])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(pictures), keys).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        network.place.zero_()
        heard = [network(partials(key)).argmax().item() for key in (5, 9, 13)]
    assert heard == [5, 9, 13]


def test_spectrum_pool_of_a_steady_picture():
    spectrum = torch.rand(2, 1, 40, 1)
    views = SpectrumPool(60.0, 6)(spectrum.expand(-1, -1, -1, 5))
    assert views.shape == (2, 4, 40)
    expected = spectrum[:, 0, :, 0] - spectrum.amax((1, 2, 3))[:, None] + 1
    for view in range(3):
        assert torch.allclose(views[:, view], expected, atol=1e-3)


def test_pictures_with_too_few_bins_are_refused():
    with pytest.raises(ConfigError, match=r"cannot take pictures of 1 × 100 bins for 88 keys; allowed is .* 263 bins"):
        KeysConfig().build(n_labels=88, input_shape=(1, 100, 32))
