//! Every trace of this crate is read, printed errors are none, and the codec does what it says.

use std::path::Path;

use mqtt_conformance::run;
use mqtt_conformance::target::codec::Codec;

#[test]
fn the_codec_does_what_every_trace_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let files = run::find(&[folder]).expect("the traces are there");
    assert!(files.len() >= 10, "{files:?}");
    let report = run::run(&files, &mut [&mut Codec]);
    assert!(report.is_good(), "\n{report}");
}
