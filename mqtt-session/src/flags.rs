//! Facts that are true or false, one bit each: what many small rows and a client without an allocator keep of them.

/// A set of named facts in one integer, and the enum of their names.
macro_rules! flags {
    (
        $(#[$set_doc:meta])*
        $vis:vis struct $Set:ident($int:ty) of
        $(#[$fact_doc:meta])*
        enum $Fact:ident { $($(#[$doc:meta])* $name:ident,)* }
    ) => {
        $(#[$fact_doc])*
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        $vis enum $Fact {
            $($(#[$doc])* $name,)*
        }

        $(#[$set_doc])*
        #[derive(Copy, Clone, PartialEq, Eq)]
        $vis struct $Set($int);

        #[allow(dead_code, reason = "not every set needs all of them")]
        impl $Set {
            /// None of them is true.
            $vis const NONE: Self = Self(0);
            /// All of them are true.
            $vis const ALL: Self = Self::NONE $(.with($Fact::$name, true))*;

            /// It is true.
            $vis const fn has(self, fact: $Fact) -> bool {
                self.0 >> fact as u32 & 1 == 1
            }

            /// The same set but for this one.
            #[must_use]
            $vis const fn with(self, fact: $Fact, is: bool) -> Self {
                let others = self.0 & !(1 << fact as u32);
                Self(others | (is as $int) << fact as u32)
            }

            $vis const fn set(&mut self, fact: $Fact, is: bool) {
                *self = self.with(fact, is);
            }

            /// Makes it false, and tells whether it was true.
            $vis const fn take(&mut self, fact: $Fact) -> bool {
                let was = self.has(fact);
                self.set(fact, false);
                was
            }
        }

        impl core::fmt::Debug for $Set {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let all = [$($Fact::$name,)*];
                f.debug_set().entries(all.into_iter().filter(|&fact| self.has(fact))).finish()
            }
        }
    };
}

pub(crate) use flags;

#[cfg(test)]
mod tests {
    flags! {
        struct Set(u8) of
        enum Fact {
            A,
            B,
            C,
            D,
            E,
            F,
            G,
            H,
        }
    }

    #[test]
    fn each_fact_is_by_itself() {
        use Fact::{A, B, C, D, E, F, G, H};
        let all = [A, B, C, D, E, F, G, H];
        for fact in all {
            let one = Set::NONE.with(fact, true);
            let mut but_one = Set::ALL;
            assert!(but_one.take(fact) && !but_one.take(fact));
            for other in all {
                assert_eq!(one.has(other), other == fact);
                assert_eq!(but_one.has(other), other != fact);
            }
            assert_eq!(but_one.with(fact, true), Set::ALL);
            assert_eq!(std::format!("{one:?}"), std::format!("{{{fact:?}}}"));
        }
    }
}
