//! Codecs: every line of a trace that has bytes, by itself.
//!
//! [`CodecUnderTest`] is what a codec has to do to be tested, [`CodecTarget`] runs traces against it, and [`ours`] is that
//! for the codec of `mqtt-proto`. A codec is tested by the traces of `test: codec`, and by the packets of all others too.
//!
//! One method is enough. This codec knows two packets:
//!
//! ```
//! use mqtt_conformance::target::codec::{CodecTarget, CodecUnderTest, Decoded, Read, Refused};
//! use mqtt_conformance::target::{Outcome, Target};
//! use mqtt_conformance::trace::Trace;
//! use mqtt_proto::{Sender, Version};
//!
//! struct Pings;
//!
//! impl CodecUnderTest for Pings {
//!     fn read(&mut self, _: Version, _: Sender, bytes: &[u8]) -> Read {
//!         match *bytes {
//!             [] | [_] => Read::Incomplete(None),
//!             // A real codec decodes into its own type here and encodes that.
//!             [first @ (0xc0 | 0xd0), 0, ..] => Read::Packet(Decoded::of(2).encoded_again(Ok(vec![first, 0]))),
//!             [0xc0..=0xdf, ..] => Read::Refused(Refused::new("flags or a length that a ping does not have")),
//!             _ => Read::Unsupported("only pings are known".to_owned()),
//!         }
//!     }
//! }
//!
//! let trace = "title: pings\ntest: codec\nversion: 3.1.1 5\n-> PINGREQ\n<- PINGRESP\n-> hex c1 00 ! bad 0x81\n-> hex c0 ! incomplete 2";
//! let mut target = CodecTarget::new("pings", || Pings);
//! let outcome = target.run(&Trace::parse("pings.trace", trace).unwrap(), Version::V5);
//! assert_eq!(outcome, Outcome::Passed { checked: 4 });
//! ```
//!
//! How all traces are run, and how what is known to fail is listed, is shown at [`target`](super).

mod check;
mod ours;

use mqtt_proto::{ReasonCode, Sender, Statement, Version};

use super::{Outcome, Target, applied};
use crate::fields::Fields;
use crate::profile::Profile;
use crate::trace::{Test, Trace};
use ours::OurCodec;

/// A codec that traces are run against.
pub trait CodecUnderTest {
    /// Decodes the first packet of `bytes`, which has come from `from`, and encodes it again.
    ///
    /// Called with whole packets, with every beginning of them, with several packets in a row, and with bytes that are none.
    /// A panic is reported as a failure of the line.
    fn read(&mut self, version: Version, from: Sender, bytes: &[u8]) -> Read;

    /// Whether it knows this version at all. Traces in others are not applicable.
    fn speaks(&self, version: Version) -> bool {
        let _ = version;
        true
    }

    /// Whether it looks at who has sent a packet. What is wrong for its sender alone is passed over if it does not.
    fn knows_sender(&self) -> bool {
        true
    }
}

/// What a codec makes of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "all that there is to say")]
pub enum Read {
    /// They begin with a packet.
    Packet(Decoded),
    /// More are needed: so many for the whole packet, or for what tells its length, counted from the first byte; `None` if
    /// the codec does not say.
    Incomplete(Option<usize>),
    /// They begin with what is no packet, or one that must not be.
    Refused(Refused),
    /// The codec does not know such packets. The line says nothing about it.
    Unsupported(String),
}

/// A packet that a codec has decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    len: usize,
    again: Option<Result<Vec<u8>, String>>,
    fields: Option<Fields>,
    printed: Option<String>,
}

impl Decoded {
    /// It took so many bytes.
    ///
    /// Of such a packet only that it was taken is known. Add at least one of [`encoded_again`](Self::encoded_again) and
    /// [`saying`](Self::saying), or nothing is compared.
    #[must_use]
    pub fn of(len: usize) -> Self {
        Self {
            len,
            again: None,
            fields: None,
            printed: None,
        }
    }

    /// What the codec encodes for it, or why it could not.
    ///
    /// It need not be the same bytes: properties may stand in another order, and a property or a reason code that has its
    /// default may be there or not.
    #[must_use]
    pub fn encoded_again(mut self, bytes: Result<Vec<u8>, String>) -> Self {
        self.again = Some(bytes);
        self
    }

    /// What it says, by the names of the standard. Fields at their default may be left out.
    #[must_use]
    pub fn saying(mut self, fields: Fields) -> Self {
        self.fields = Some(fields);
        self
    }

    /// It as one line in the notation of traces, for codecs that print such.
    #[must_use]
    pub fn printed(mut self, line: String) -> Self {
        self.printed = Some(line);
        self
    }
}

/// Why a codec refuses bytes. What it does not know of this is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    why: String,
    code: Option<ReasonCode>,
    statement: Option<Option<Statement>>,
    offset: Option<usize>,
}

impl Refused {
    /// In words.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            code: None,
            statement: None,
            offset: None,
        }
    }

    /// The reason code to answer with; compared in 5.0 only, where a peer can be told.
    #[must_use]
    pub fn with_code(mut self, code: ReasonCode) -> Self {
        self.code = Some(code);
        self
    }

    /// The statement that is broken, or that the codec says none is.
    #[must_use]
    pub fn with_statement(mut self, statement: Option<Statement>) -> Self {
        self.statement = Some(statement);
        self
    }

    /// Where, from the first byte of the packet.
    #[must_use]
    pub fn with_offset(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }
}

/// Runs traces against a codec; each with a codec of its own.
///
/// The packet of a line whose fields are all known is encoded by `mqtt-proto` (and compared with the `= bytes` of the line).
/// The codec must ask for more at every beginning of these bytes, take the whole as one packet, and what it encodes for it,
/// what it says of it and what it prints must be that packet. Lines that leave something open are left to the other targets.
/// What a `hex` line says of its bytes must be the codec's verdict, too.
pub struct CodecTarget<C> {
    name: String,
    make: Box<dyn Fn() -> C>,
    profile: Option<Profile>,
}

impl<C> core::fmt::Debug for CodecTarget<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CodecTarget")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<C: CodecUnderTest> CodecTarget<C> {
    /// `name`: for the report. `make`: makes a codec.
    #[must_use]
    pub fn new(name: impl Into<String>, make: impl Fn() -> C + 'static) -> Self {
        Self {
            name: name.into(),
            profile: None,
            make: Box::new(make),
        }
    }

    /// What the codec can do: traces for versions that the profile does not have, or that require or need more than it says,
    /// are not applicable. What is known to fail is for the [report](crate::report::Report::with_profile).
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }
}

impl<C: CodecUnderTest> Target for CodecTarget<C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Codec
    }

    fn takes(&self, _: &Trace) -> bool {
        true
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let trace = match applied(self.profile.as_ref(), trace, version) {
            Ok(trace) => trace,
            Err(why) => return Outcome::NotApplicable(why),
        };
        let mut codec = (self.make)();
        if codec.speaks(version) {
            check::trace(&mut codec, &trace, version)
        } else {
            Outcome::NotApplicable(format!("the codec has no MQTT {version}"))
        }
    }
}

/// The codec of `mqtt-proto`, our own.
#[must_use]
pub fn ours() -> impl Target {
    CodecTarget::new("codec", || OurCodec)
}
