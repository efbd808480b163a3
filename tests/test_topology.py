"""Laws of connections and of their changes, and of the draws behind them."""

import copy
import pickle

import numpy as np
import pytest
import reference
import scipy.stats
from helpers import check, from_mask, keys_of, mask_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_set import SETRegressor, _native
from sklearn_set._memory import expected_connections
from sklearn_set._network import Layer, Network, initial_weights
from sklearn_set._topology import Connectivity, decimal_floor, draw_seed, erdos_renyi
from sklearn_set.rules import DropMagnitude

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def masks(draw, largest=12):
    """Layers from empty to full, empty rows and columns included."""
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    rng = np.random.default_rng(draw(SEEDS))
    density = draw(st.sampled_from([0, 0.05, 0.3, 0.7, 1]))
    return rng.random(shape) < density


# ------------------------------------------------------------------ draws


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_splitmix64_is_the_published_generator(seed):
    for counter in (0, 1, 2, 1000, 2**40):
        assert _native.splitmix64(seed, counter) == reference.splitmix64(seed, counter)


def test_splitmix64_has_the_values_of_its_authors():
    # The first draws of java.util.SplittableRandom's generator from the state 1234567.
    expected = [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
        16408922859458223821,
    ]  # fmt: skip
    assert [_native.splitmix64(1234567, i) for i in range(5)] == expected


@given(st.integers(0, 400), st.data(), st.integers(0, 2**64 - 1))
def test_sample_without_replacement(bound, data, seed):
    count = data.draw(st.integers(0, bound))
    sample = _native.sample_without_replacement(bound, count, seed)
    np.testing.assert_array_equal(sample, reference.sample_without_replacement(bound, count, seed))
    assert len(sample) == count and (np.diff(sample) > 0).all()


@pytest.mark.parametrize(
    "bound, count",
    [(100_000, count) for count in (49_000, 50_000, 50_001, 99_999)]
    + [(bound, 3_000) for bound in (2**32 - 1, 2**32, 2**62)],
)
def test_sample_of_a_large_share_and_of_many(bound, count):
    sample = _native.sample_without_replacement(bound, count, 5)
    np.testing.assert_array_equal(sample, reference.sample_without_replacement(bound, count, 5))


def test_gaps_are_exponential():
    for f in np.linspace(0, 2**32 - 1, 1001).astype(int).tolist():
        assert abs(reference.log_of_half(f) / 2**32 + np.log2(1 - f / 2**33)) < 2e-7
    gaps = np.array([reference.gap(3, i) for i in range(5000)])
    assert scipy.stats.kstest(gaps * np.log(2) / 2**32, "expon").pvalue > 0.001


def test_a_sample_is_of_the_law_of_sorted_uniform_draws():
    """Over many samples each rank has its Beta law; in a large one gaps are exponential."""
    n, bound = 9, 2**50
    samples = np.array([_native.sample_without_replacement(bound, n, seed) for seed in range(3000)])
    for rank, values in enumerate(samples.T, 1):
        law = scipy.stats.beta(rank, n + 1 - rank).cdf
        assert scipy.stats.kstest(values / bound, law).pvalue > 0.001
    sample = _native.sample_without_replacement(bound, 100_000, 1) / bound
    assert scipy.stats.kstest(sample, "uniform").pvalue > 0.001
    assert scipy.stats.kstest(np.diff(sample) * 100_000, "expon").pvalue > 0.001


def test_sample_errors():
    for count in (-1, 11):
        with pytest.raises(ValueError, match="count"):
            _native.sample_without_replacement(10, count, 0)


def test_draw_seed_uses_the_generator():
    a, b = np.random.default_rng(0), np.random.default_rng(0)
    assert draw_seed(a) == draw_seed(b) != draw_seed(a)


# ------------------------------------------------------------------ Connectivity


@given(masks())
def test_degrees_and_transposition(mask):
    connectivity = from_mask(mask)
    check(connectivity)
    n_in, n_out = connectivity.shape
    np.testing.assert_array_equal(connectivity.in_degree(), mask.sum(axis=1))
    np.testing.assert_array_equal(connectivity.out_degree(), mask.sum(axis=0))
    weights = np.random.default_rng(0).normal(size=connectivity.nnz)
    W = np.zeros(mask.shape)
    W[mask] = weights
    np.testing.assert_allclose(connectivity.in_strength(weights), np.abs(W).sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(
        connectivity.out_strength(weights), np.abs(W).sum(axis=0), atol=1e-12
    )
    assert connectivity.density == mask.mean()

    indptr, positions, indices = connectivity.transposed
    assert len(indptr) == n_in + 1
    sources = np.repeat(np.arange(n_in), np.diff(indptr))
    np.testing.assert_array_equal(sources, connectivity.indices[positions])
    np.testing.assert_array_equal(indices, connectivity.destinations()[positions])
    np.testing.assert_array_equal(np.sort(positions), np.arange(connectivity.nnz))
    by_source = sources * n_out + indices
    assert (np.diff(by_source) > 0).all()  # destinations ascend
    assert connectivity.transposed is connectivity.transposed  # made once


@pytest.mark.parametrize("shape", [(300_000, 20), (40, 200_000)])
def test_a_layer_of_many_connections_by_source(shape):
    """Of two million, the index by source is filled in blocks."""
    connectivity = erdos_renyi(shape, 3.2e6 / sum(shape), np.random.default_rng(0))
    assert connectivity.nnz > 2**21
    indptr, positions, indices = connectivity.transposed
    np.testing.assert_array_equal(positions, np.argsort(connectivity.indices, kind="stable"))
    np.testing.assert_array_equal(indices, connectivity.destinations()[positions])
    np.testing.assert_array_equal(np.diff(indptr), connectivity.out_degree())


def test_a_connectivity_is_a_value():
    connectivity = erdos_renyi((30, 20), 2, np.random.default_rng(0))
    with pytest.raises(AttributeError):
        connectivity.shape = (1, 1)
    small = len(pickle.dumps(connectivity))
    assert connectivity.transposed is not None
    assert len(pickle.dumps(connectivity)) == small  # the index by source is not stored
    for twin in (copy.deepcopy(connectivity), pickle.loads(pickle.dumps(connectivity))):
        np.testing.assert_array_equal(twin.indices, connectivity.indices)
        np.testing.assert_array_equal(twin.transposed.indices, connectivity.transposed.indices)
        assert twin.shape == connectivity.shape


# ------------------------------------------------------------------ erdos_renyi


@given(st.integers(1, 25), st.integers(1, 25), st.floats(0.01, 12), st.integers(0, 2**32))
def test_erdos_renyi_is_the_reference(n_in, n_out, epsilon, seed):
    connectivity = erdos_renyi((n_in, n_out), epsilon, np.random.default_rng(seed))
    check(connectivity)
    draws = round(epsilon * (n_in + n_out))
    native_seed = draw_seed(np.random.default_rng(seed))
    np.testing.assert_array_equal(
        mask_of(connectivity), reference.erdos_renyi(n_in, n_out, draws, native_seed)
    )


@pytest.mark.parametrize(
    "shape, epsilon", [((300, 200), 10), ((1000, 1000), 0.5), ((7000, 2), 10), ((100, 10), 20)]
)
def test_erdos_renyi_has_the_expected_number_of_connections(shape, epsilon):
    places, draws = shape[0] * shape[1], epsilon * sum(shape)
    free = (1 - 1 / places) ** draws
    expected = places * (1 - free)
    # The variance of occupied places when `draws` balls fall into `places`.
    variance = places * (free + (places - 1) * (1 - 2 / places) ** draws - places * free**2)
    counts = [erdos_renyi(shape, epsilon, np.random.default_rng(i)).nnz for i in range(30)]
    assert abs(np.mean(counts) - expected) < 4 * np.sqrt(variance / 30) + 1e-9
    assert 0.3 * variance < np.var(counts) < 3 * variance


def test_erdos_renyi_is_uniform():
    total = np.zeros((20, 30))
    for seed in range(300):
        total += mask_of(erdos_renyi((30, 20), 3, np.random.default_rng(seed)))
    p = total.sum() / total.size / 300
    chi2 = ((total - 300 * p) ** 2 / (300 * p * (1 - p))).sum()
    assert 0.001 < scipy.stats.chi2.sf(chi2, total.size - 1) < 0.999


@pytest.mark.parametrize("epsilon", [1000, 1e6, 1e300])
def test_a_huge_epsilon_gives_a_full_layer(epsilon):
    connectivity = erdos_renyi((13, 11), epsilon, np.random.default_rng(0))
    check(connectivity)
    assert connectivity.density == 1


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_layers_without_neurons(shape):
    connectivity = erdos_renyi(shape, 2, np.random.default_rng(0))
    check(connectivity)
    assert connectivity.nnz == connectivity.density == 0
    assert len(connectivity.transposed.indptr) == shape[0] + 1


def test_a_layer_of_too_many_connections_is_refused():
    with pytest.raises(ValueError, match=r"may exceed 2\*\*31 - 1 connections; lower epsilon"):
        erdos_renyi((70_000, 70_000), 30_000, np.random.default_rng(0))


def test_epsilon_is_the_decimal_that_was_written(monkeypatch):
    draws = []
    original = _native.erdos_renyi
    monkeypatch.setattr(
        _native, "erdos_renyi", lambda *args: draws.append(args[2]) or original(*args)
    )
    for epsilon in (0.035, 0.205, 0.275):  # times 300: 10.5, 61.5, 82.5; ties go to even
        erdos_renyi((180, 120), epsilon, np.random.default_rng(0))
    assert draws == [10, 62, 82]  # 0.035 * 300 > 10.5 and 0.205 * 300 < 61.5 in binary


# ------------------------------------------------------------------ decimal_floor


@pytest.mark.parametrize(
    "fraction, n, expected",
    [
        (0.29, 100, 29), (0.07, 100, 7), (0.57, 100, 57), (0.04, 300, 12), (0.04, 24, 0),
        (0.3, 10, 3), (1 / 3, 3, 0), (0, 10, 0), (0.0, 10, 0), (1, 10, 10), (1.0, 7, 7),
        (1e-7, 10**7, 1), (0.999, 1000, 999), (np.float64(0.29), 100, 29),
        (np.float32(0.29), 100, 29), (0.29, np.int64(100), 29),
    ],
)  # fmt: skip
def test_decimal_floor(fraction, n, expected):
    assert decimal_floor(fraction, n) == expected


@given(st.integers(0, 10_000), st.integers(0, 100_000))
def test_decimal_floor_of_four_digits_is_exact(numerator, n):
    assert decimal_floor(numerator / 10_000, n) == numerator * n // 10_000


# ------------------------------------------------------------------ drop


ROUND_WEIGHTS = st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.0, -0.0, 0.5, 1.0, 2.0]), max_size=60)
ANY_WEIGHTS = st.lists(
    st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=True), max_size=60
)


@given(
    st.one_of(ROUND_WEIGHTS, ANY_WEIGHTS),
    st.sampled_from([0, 0.1, 0.29, 0.3, 0.5, 0.9, 1]),
    st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=200)
def test_drop_is_the_reference(values, fraction, dtype):
    weights = np.array(values, dtype=dtype)
    shape = (max(1, len(weights)), 1)
    layer = Layer(from_mask(np.ones((1, len(weights)), dtype=bool)), weights, np.zeros(1))
    assert layer.n_in == len(weights) or shape[0] == 1
    keep = DropMagnitude().keep(Network([layer]), 0, fraction)
    np.testing.assert_array_equal(keep != 0, reference.drop_nearest_zero(weights, fraction))
    assert not keep[weights == 0].any()  # no exact zero stays, whatever the fraction
    for sign in (-1, 1):
        members = np.sign(weights) == sign
        stay = members & (keep != 0)
        assert (members & ~stay).sum() == decimal_floor(fraction, members.sum())
        if stay.any() and (members & ~stay).any():
            assert np.abs(weights[stay]).min() >= np.abs(weights[members & ~stay]).max()


def test_ties_go_to_the_lower_place():
    weights = np.array([1.0, -1, 1, 1, -1, 1, 0, -0.0, 3, -3])
    keep = _native.drop_nearest_zero(weights, 1, 2)
    np.testing.assert_array_equal(keep, [0, 0, 0, 1, 1, 1, 0, 0, 1, 1])


def misleading(n, rng):
    """Values of which every sixteenth, which a sample may consist of, is unlike the others."""
    return np.where(np.arange(n) % 16, 1 + rng.random(n), 0.1 * rng.random(n)) * rng.choice(
        [-1, 1], n
    )


LARGE = {
    "ties": lambda n, rng: np.where(np.arange(n) % 7, rng.normal(size=n), rng.choice([-0.3, 0], n)),
    "one magnitude": lambda n, rng: rng.choice([-0.5, 0.5], n),
    "one sign": lambda n, rng: rng.exponential(size=n),
    "wide": lambda n, rng: rng.normal(size=n) * 10.0 ** rng.integers(-30, 30, n),
    "misleading": misleading,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [800, 30_000])
@pytest.mark.parametrize("kind", LARGE)
def test_drop_of_a_large_layer(kind, n, dtype):
    weights = LARGE[kind](n, np.random.default_rng(0)).astype(dtype)
    negative, zero, positive = _native.count_signs(weights)
    assert (negative, zero, positive) == tuple((np.sign(weights) == s).sum() for s in (-1, 0, 1))
    for fraction in (0.001, 0.03, 0.3, 0.9):
        counts = decimal_floor(fraction, negative), decimal_floor(fraction, positive)
        keep = _native.drop_nearest_zero(weights, *counts)
        np.testing.assert_array_equal(keep != 0, reference.drop_nearest_zero(weights, fraction))
        n_drop = decimal_floor(fraction, n)
        smallest = np.argsort(np.abs(weights), kind="stable")[:n_drop]
        dropped = np.flatnonzero(_native.drop_smallest(np.abs(weights), n_drop) == 0)
        np.testing.assert_array_equal(dropped, np.sort(smallest))


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 1e-40, 1e30]), max_size=50),
    st.data(),
)
def test_drop_smallest(values, data):
    scores = np.array(values)
    n_drop = data.draw(st.integers(0, len(scores)))
    keep = _native.drop_smallest(scores, n_drop)
    expected = np.ones(len(scores), dtype=bool)
    expected[np.argsort(scores, kind="stable")[:n_drop]] = False
    np.testing.assert_array_equal(keep != 0, expected)


def test_drop_errors():
    weights = np.array([1.0, -1.0])
    for counts in ((2, 0), (0, 2), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="Cannot drop"):
            _native.drop_nearest_zero(weights, *counts)
    with pytest.raises(ValueError, match="scores must be numbers >= 0"):
        _native.drop_smallest(np.array([1.0, np.nan]), 1)
    with pytest.raises(ValueError, match="scores must be numbers >= 0"):
        _native.drop_smallest(np.array([1.0, -1.0]), 1)
    with pytest.raises(ValueError, match="Cannot drop 3 of 2"):
        _native.drop_smallest(np.array([1.0, 1.0]), 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_finite(dtype):
    values = np.array([0, -0.0, 1, -1, np.finfo(dtype).max, np.finfo(dtype).tiny / 8] * 9, dtype)
    assert _native.all_finite(values) and _native.all_finite(-values)
    for wrong in (np.inf, -np.inf, np.nan, -np.nan):
        for place in (0, 17, -1):
            one = values.copy()
            one[place] = wrong
            assert not _native.all_finite(one)


# ------------------------------------------------------------------ grow


@given(st.one_of(masks(), masks(largest=150)), st.data(), SEEDS)
@settings(max_examples=150)
def test_growth_is_the_reference(mask, data, seed):
    connectivity = from_mask(mask)
    rng = np.random.default_rng(seed)
    keep = (rng.random(connectivity.nnz) < 0.7).astype(np.uint8)
    kept = mask.copy()
    kept[mask] = keep
    n_new = data.draw(st.integers(0, int((~kept).sum())))
    rewiring = connectivity.grow(keep, n_new, np.random.default_rng(seed))
    check(rewiring.after)
    grown = reference.grow(kept, n_new, draw_seed(np.random.default_rng(seed)))
    np.testing.assert_array_equal(mask_of(rewiring.after), kept | grown)
    assert rewiring.after.shape == connectivity.shape
    new = rewiring.source < 0
    assert new.sum() == n_new  # exact, up to a full layer
    np.testing.assert_array_equal(grown[mask_of(rewiring.after)], new)
    # Survivors keep their place and their value to the bit.
    np.testing.assert_array_equal(rewiring.source[~new], np.flatnonzero(keep))
    np.testing.assert_array_equal(keys_of(rewiring.after)[~new], keys_of(connectivity)[keep != 0])
    values = rng.normal(size=connectivity.nnz)
    assert (rewiring.carry(values)[new] == 0).all()
    fresh = rng.normal(size=n_new)
    for dtype in (np.float32, np.float64):
        moved = rewiring.carry(values.astype(dtype), fresh.astype(dtype))
        assert moved.dtype == dtype
        assert moved[~new].tobytes() == values[keep != 0].astype(dtype).tobytes()
        assert moved[new].tobytes() == fresh.astype(dtype).tobytes()


@given(masks(), st.data(), SEEDS)
def test_growth_may_avoid_the_dropped_places(mask, data, seed):
    connectivity = from_mask(mask)
    keep = (np.random.default_rng(seed).random(connectivity.nnz) < 0.5).astype(np.uint8)
    n_new = data.draw(st.integers(0, int((~mask).sum())))
    indptr, indices, source = _native.grow_random(
        connectivity.indptr, connectivity.indices, connectivity.shape[0], keep, n_new, False, seed
    )
    after = Connectivity(indptr, indices, connectivity.shape)
    check(after)
    grown = mask_of(after)
    grown[mask_of(after)] = source < 0
    assert grown.sum() == n_new and not (grown & mask).any()


@given(masks(), st.data(), SEEDS)
def test_growth_at_given_places(mask, data, seed):
    connectivity = from_mask(mask)
    rng = np.random.default_rng(seed)
    keep = (rng.random(connectivity.nnz) < 0.5).astype(np.uint8)
    kept = mask.copy()
    kept[mask] = keep
    free = np.flatnonzero(~kept)
    chosen = np.sort(rng.choice(free, data.draw(st.integers(0, len(free))), replace=False))
    arrays = connectivity.indptr, connectivity.indices, connectivity.shape[0]
    indptr, indices, source = _native.grow_at(*arrays, keep, chosen.astype(np.int64))
    after = Connectivity(indptr, indices, connectivity.shape)
    check(after)
    wanted = kept.ravel()
    wanted[chosen] = True
    np.testing.assert_array_equal(mask_of(after).ravel(), wanted)
    np.testing.assert_array_equal(keys_of(after)[source < 0], chosen)


def test_growth_is_uniform():
    """Every free place of a half full layer is as likely as any other."""
    rng = np.random.default_rng(1)
    mask = rng.random((12, 15)) < 0.5
    connectivity = from_mask(mask)
    keep = (rng.random(connectivity.nnz) < 0.7).astype(np.uint8)
    kept = mask.copy()
    kept[mask] = keep
    hits = np.zeros(mask.shape)
    n_rounds, n_new = 2000, 20
    for _ in range(n_rounds):
        rewiring = connectivity.grow(keep, n_new, rng)
        hits += mask_of(rewiring.after) & ~kept
    p = n_new / (~kept).sum()
    free = hits[~kept]
    assert hits[kept].sum() == 0
    chi2 = ((free - n_rounds * p) ** 2 / (n_rounds * p * (1 - p))).sum() * (1 - 1 / free.size)
    assert 0.001 < scipy.stats.chi2.sf(chi2, free.size - 1) < 0.999


def test_pairs_of_new_places_are_uniform():
    """Every set of two free places is equally likely, not just every place."""
    connectivity = from_mask(np.eye(3, dtype=bool))
    keep = np.ones(3, dtype=np.uint8)
    rng = np.random.default_rng(2)
    counts = {}
    for _ in range(3000):
        after = connectivity.grow(keep, 2, rng).after
        counts[keys_of(after).tobytes()] = counts.get(keys_of(after).tobytes(), 0) + 1
    assert len(counts) == 15  # of 6 free places
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_growth_errors():
    connectivity = from_mask(np.eye(3, dtype=bool))
    indptr, indices = connectivity.indptr, connectivity.indices
    keep = np.ones(3, dtype=np.uint8)
    rng = np.random.default_rng(0)
    for n_new in (7, -1):
        with pytest.raises(ValueError, match="do not fit into 6 free places"):
            connectivity.grow(keep, n_new, rng)
    with pytest.raises(ValueError, match="do not fit into 6 free"):
        _native.grow_random(indptr, indices, 3, keep * 0, 7, False, 0)
    with pytest.raises(ValueError, match="keep has 2 entries, 3 are needed"):
        connectivity.grow(keep[:2], 0, rng)
    with pytest.raises(ValueError, match="keep must hold 0 and 1"):
        connectivity.grow(keep * 2, 0, rng)
    for keys in ([1, 1], [2, 1], [-1], [9]):
        with pytest.raises(ValueError, match="keys must be distinct, ascending and inside"):
            _native.grow_at(indptr, indices, 3, keep, np.array(keys, dtype=np.int64))
    rewiring = connectivity.grow(keep, 1, rng)
    with pytest.raises(ValueError, match="source points behind the values"):
        rewiring.carry(np.zeros(2))
    with pytest.raises(ValueError, match="new_values has 2 entries, 1 are needed"):
        rewiring.carry(np.zeros(3), np.zeros(2))
    with pytest.raises(TypeError):
        rewiring.carry(np.zeros(3), np.zeros(1, dtype=np.float32))


def test_growing_at_a_kept_place_is_refused():
    connectivity = from_mask(np.eye(3, dtype=bool))
    keep, keys = np.ones(3, dtype=np.uint8), np.array([4], dtype=np.int64)
    with pytest.raises(ValueError, match="a key names a place that is kept"):
        _native.grow_at(connectivity.indptr, connectivity.indices, 3, keep, keys)


# ------------------------------------------------------------------ neurons


@given(masks(), SEEDS, st.sampled_from(["in", "out", "both", "none"]))
def test_removal_of_neurons(mask, seed, which):
    connectivity = from_mask(mask)
    rng = np.random.default_rng(seed)
    keep_in = rng.random(mask.shape[1]) < 0.6 if which in ("in", "both") else None
    keep_out = rng.random(mask.shape[0]) < 0.6 if which in ("out", "both") else None
    rewiring = connectivity.without_neurons(keep_in, keep_out)
    check(rewiring.after)
    rows = slice(None) if keep_out is None else keep_out
    columns = slice(None) if keep_in is None else keep_in
    wanted = mask[rows][:, columns]
    assert rewiring.after.shape == wanted.shape[::-1]
    np.testing.assert_array_equal(mask_of(rewiring.after), wanted)
    assert (rewiring.source >= 0).all()
    weights = rng.normal(size=connectivity.nnz)
    W = np.zeros(mask.shape)
    W[mask] = weights
    assert rewiring.carry(weights).tobytes() == W[rows][:, columns][wanted].tobytes()


# ------------------------------------------------------------------ first weights


@pytest.mark.parametrize("init", ["he_uniform", "he_normal", "glorot_uniform", "normal"])
def test_initial_weights_have_the_documented_variance(init):
    rng = np.random.default_rng(0)
    connectivity = erdos_renyi((3000, 1000), 20, rng)
    weights = initial_weights(connectivity, init, np.float64, rng)
    in_degree = np.repeat(connectivity.in_degree(), connectivity.in_degree())
    mean_degree = connectivity.nnz / 3000 + connectivity.nnz / 1000
    variance = {"normal": 0.01, "glorot_uniform": 2 / mean_degree}.get(init, 2 / in_degree)
    scaled = weights / np.sqrt(variance)
    assert abs(scaled.mean()) < 0.02
    np.testing.assert_allclose(scaled.var(), 1, rtol=0.02)
    if init.endswith("uniform"):
        assert 1.7 < np.abs(scaled).max() <= np.sqrt(3)
    else:
        assert np.abs(scaled).max() > 3.5
    assert initial_weights(connectivity, init, np.float32, rng).dtype == np.float32
    empty = Connectivity(np.zeros(3, dtype=np.int32), np.zeros(0, dtype=np.int32), (4, 2))
    assert len(initial_weights(empty, init, np.float64, rng)) == 0


# ------------------------------------------------------------------ large layers


def test_places_above_two_to_the_31():
    """A 70,000 x 70,000 layer has 4.9e9 places; 700 connections test the arithmetic."""
    n = 70_000
    rng = np.random.default_rng(0)
    connectivity = erdos_renyi((n, n), 0.005, rng)
    check(connectivity)
    assert 690 <= connectivity.nnz <= 700
    keys = keys_of(connectivity)
    assert keys[-1] > 2**32 and (keys > 2**31).sum() > 250
    assert scipy.stats.kstest(keys / n**2, "uniform").pvalue > 0.001
    sources = connectivity.indices / n
    assert scipy.stats.kstest(sources, "uniform").pvalue > 0.001

    keep = (np.arange(connectivity.nnz) % 3 > 0).astype(np.uint8)
    n_new = int((keep == 0).sum())
    rewiring = connectivity.grow(keep, n_new, np.random.default_rng(1))
    check(rewiring.after)
    new = rewiring.source < 0
    assert new.sum() == n_new
    np.testing.assert_array_equal(keys_of(rewiring.after)[~new], keys[keep != 0])
    grown = keys_of(rewiring.after)[new]
    assert (grown > 2**31).sum() > 80
    # Ranks among the free places, and from them the places.
    ranks = reference.sample_without_replacement(
        n * n - int(keep.sum()), n_new, draw_seed(np.random.default_rng(1))
    )
    kept = keys[keep != 0]
    wanted = ranks.copy()
    for key in kept:
        wanted += wanted >= key
    np.testing.assert_array_equal(grown, wanted)

    mask = np.ones(n, dtype=bool)
    mask[: n // 2] = False
    pruned = rewiring.after.without_neurons(mask, None)
    check(pruned.after)
    assert pruned.after.shape == (n // 2, n)
    indptr, positions, indices = connectivity.transposed
    np.testing.assert_array_equal(
        np.repeat(np.arange(n), np.diff(indptr)), connectivity.indices[positions]
    )
    np.testing.assert_array_equal(indices, connectivity.destinations()[positions])


def test_growth_at_places_of_a_layer_that_is_not_square():
    connectivity = erdos_renyi((7, 3), 0.5, np.random.default_rng(0))
    wanted = mask_of(connectivity).ravel()
    places = np.flatnonzero(~wanted)[::2].copy()
    wanted[places] = True
    after = connectivity.grow_at(np.ones(connectivity.nnz, np.uint8), places).after
    check(after)
    assert after.shape == (7, 3)
    np.testing.assert_array_equal(mask_of(after).ravel(), wanted)


@pytest.mark.parametrize(
    "n_samples, n_inputs, epsilon",
    [
        (50, 200, 30),
        (500, 3000, 2000 * 40 / 3040),
        (10, 300, 100 * 40 / 340),
        (10, 3000, 5),
        (1000, 3000, 30),
    ],
)
def test_neurons_start_with_enough_inputs_for_the_samples(n_samples, n_inputs, epsilon):
    def n_connections(learn, **options):
        model = SETRegressor((40, 30), max_iter=1, conditioning=None, random_state=0, **options)
        X, y = np.zeros((n_samples, n_inputs), np.float32), np.arange(n_samples) % 2
        return [coef.nnz for coef in getattr(model, learn)(X, y).coefs_]

    (first, *others), given = n_connections("fit"), n_connections("fit", epsilon=30)
    assert first == pytest.approx(expected_connections((n_inputs, 40), epsilon), rel=0.02)
    assert others == pytest.approx(given[1:], rel=0.05)
    assert n_connections("partial_fit") == n_connections("fit", zeta=0) == given
