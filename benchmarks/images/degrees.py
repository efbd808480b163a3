"""Whether degrees follow a power law: the recipe of Clauset, Shalizi and Newman (2009).

Owns: the fit of a tail, its test, and the comparison with a log-normal law. May not touch: how the
degrees came about.

"Power-law distributions in empirical data", SIAM Review 51:661-703, for whole numbers: the exponent
by maximum likelihood, the start of the tail where the Kolmogorov-Smirnov distance is smallest
(section 3), its plausibility by fits to samples of the fitted law (section 4), and Vuong's test of
the ratio of likelihoods (section 5).
"""

import numpy as np
from scipy import optimize, special, stats

#: A shorter tail says nothing about a law.
LEAST_TAIL = 50


def fit_exponent(tail, start):
    """The exponent of p(k) ~ k^-a for whole k >= start that makes the `tail` most likely."""
    mean_log = np.log(tail).mean()

    def loss(exponent):
        return exponent * mean_log + np.log(special.zeta(exponent, start))

    return optimize.minimize_scalar(loss, bounds=(1.01, 60), method="bounded").x


def distance(tail, start, exponent):
    """Largest difference between the distribution functions of a sorted tail and of the law."""
    values, counts = np.unique(tail, return_counts=True)
    seen = np.cumsum(counts) / len(tail)
    law = 1 - special.zeta(exponent, values + 1) / special.zeta(exponent, start)
    before = 1 - special.zeta(exponent, values) / special.zeta(exponent, start)
    # The law also steps between two values that were seen.
    return max(np.abs(seen - law).max(), np.abs(before - np.append(0, seen[:-1])).max())


def fit_power_law(degree):
    """Start, exponent and distance of the tail that is nearest to a power law."""
    degree = np.sort(np.asarray(degree)[np.asarray(degree) > 0])
    best = None
    for start in np.unique(degree):
        tail = degree[np.searchsorted(degree, start) :]
        if best is not None and (len(tail) < LEAST_TAIL or tail[0] == tail[-1]):
            break
        exponent = fit_exponent(tail, start)
        found = (distance(tail, start, exponent), int(start), float(exponent))
        best = min(best, found) if best else found
    gap, start, exponent = best
    return start, exponent, gap


def draw_power_law(n, start, exponent, rng):
    """Whole numbers >= start with p(k) ~ k^-exponent, by inverting the distribution function."""
    left = 1 - rng.random(n)  # P(K >= k), up to which k is drawn
    low = np.full(n, start, dtype=np.int64)
    high = low * 2
    norm = special.zeta(exponent, start)
    while (open_ := (special.zeta(exponent, high) / norm >= left) & (high < 2**40)).any():
        low[open_], high[open_] = high[open_], 2 * high[open_]
    while (high - low > 1).any():
        middle = (low + high) // 2
        above = special.zeta(exponent, middle) / norm >= left
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return low


def plausibility(degree, start, exponent, gap, rng, n_samples=100):
    """Share of samples of the fitted law that fit it worse: below 0.1 a power law is ruled out.

    A sample has the degrees below the start as they were drawn with replacement.
    """
    degree = np.asarray(degree)[np.asarray(degree) > 0]
    below = degree[degree < start]
    worse = 0
    for _ in range(n_samples):
        n_tail = rng.binomial(len(degree), 1 - len(below) / len(degree))
        sample = draw_power_law(n_tail, start, exponent, rng)
        if len(below):
            sample = np.append(sample, rng.choice(below, len(degree) - n_tail))
        worse += fit_power_law(sample)[2] >= gap
    return worse / n_samples


def log_normal_likelihoods(tail, start):
    """Log-probabilities of a tail under the log-normal law, rounded, that fits it best."""
    log_low, log_high = np.log(tail - 0.5), np.log(tail + 0.5)

    def log_probability(parameters):
        mean, scale = parameters[0], np.exp(parameters[1])
        a, b, c = ((x - mean) / scale for x in (log_low, log_high, np.log(start - 0.5)))
        # Of the upper tails, whose differences keep their digits.
        a, b, c = (special.log_ndtr(-x) for x in (a, b, c))
        return a + np.log(-np.expm1(b - a)) - c

    def loss(parameters):
        value = -log_probability(parameters).sum()
        return value if np.isfinite(value) else 1e300

    logs = np.log(tail)
    starts = [(logs.mean(), np.log(logs.std() + 0.05)), (logs.mean() - 3, 0.5)]
    fits = [optimize.minimize(loss, start, method="Nelder-Mead") for start in starts]
    return log_probability(min(fits, key=lambda fit: fit.fun).x)


def against_log_normal(tail, start, exponent):
    """Vuong's statistic, > 0 where the power law is the likelier, and its p-value."""
    power = -exponent * np.log(tail) - np.log(special.zeta(exponent, start))
    ratio = power - log_normal_likelihoods(tail, start)
    spread = ratio.std()
    if spread == 0:
        return 0.0, 1.0
    statistic = float(ratio.sum() / (spread * np.sqrt(len(tail))))
    return statistic, float(2 * stats.norm.sf(abs(statistic)))


def describe(degree, seed=0, n_samples=100):
    """All of it for the degrees of some neurons."""
    degree = np.asarray(degree)
    start, exponent, gap = fit_power_law(degree)
    tail = degree[degree >= start]
    statistic, p = against_log_normal(tail, start, exponent)
    rng = np.random.default_rng(seed)
    return {
        "neurons": len(degree),
        "mean": degree.mean(),
        "largest": int(degree.max()),
        "dispersion": degree.var() / degree.mean(),
        "start": start,
        "tail": len(tail) / len(degree),
        "exponent": exponent,
        "distance": gap,
        "plausibility": plausibility(degree, start, exponent, gap, rng, n_samples),
        "ratio": statistic,
        "ratio_p": p,
    }


def is_scale_free(exponent, plausibility, ratio, ratio_p):
    """Whether degrees may be called so: 2 < exponent < 3, plausible, log-normal not likelier.

    As in Broido and Clauset (2019, Nature Communications 10:1017). Without the bounds on the
    exponent the last tenth of nearly any sample passes: a steep law is an exponential's tail too.
    """
    return 2 < exponent < 3 and plausibility >= 0.1 and not (ratio < 0 and ratio_p < 0.1)
