//! The progress bar, on standard error and only if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mqtt_conformance::run::Progress;

pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        // What draws on standard error draws nothing if it is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} traces{msg}");
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    pub(super) fn show(&self, progress: Progress) {
        let Self(bar) = self;
        bar.set_length(u64::try_from(progress.of).unwrap_or(u64::MAX));
        if progress.failed > 0 {
            bar.set_message(format!(", {} failed", progress.failed));
        }
        bar.inc(1);
    }

    /// Takes the bar away, before the report is printed.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
