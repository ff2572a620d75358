//! Quantiles.

/// The latency that so many of a hundred do not pass.
pub(crate) fn quantile(latencies: &[u32], percent: usize) -> u32 {
    per_mille(latencies, percent * 10)
}

/// The latency that so many of a thousand do not pass.
pub(crate) fn per_mille(latencies: &[u32], share: usize) -> u32 {
    let mut sorted = latencies.to_vec();
    let at = (sorted.len() * share / 1000).min(sorted.len().saturating_sub(1));
    if sorted.is_empty() {
        return 0;
    }
    *sorted.select_nth_unstable(at).1
}

/// The middle one.
pub(crate) fn median(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}
