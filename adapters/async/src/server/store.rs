//! Where the broker's durable state is kept.

use std::io;

/// Keeps entries, bytes by bytes, so that they outlive the process: the durable state of a broker. `mqtt-store` is one.
///
/// All its methods may block: [`load`](Self::load) is called once, before the server runs, and [`commit`](Self::commit) on a thread
/// of its own.
pub trait Store {
    /// Gives every entry once, key and value, in any order.
    ///
    /// # Errors
    ///
    /// The entries cannot be read; what was given is not all.
    fn load(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()>;

    /// Makes a batch of changes durable, in order: a value takes the place of what is under its key, `None` removes that. When
    /// this returns, all of it outlives a loss of power; if the process dies before, all of it is there or nothing.
    ///
    /// # Errors
    ///
    /// It is not known whether the changes are durable. It will not be called again.
    fn commit<'c>(
        &mut self,
        changes: &mut dyn Iterator<Item = (&'c [u8], Option<&'c [u8]>)>,
    ) -> io::Result<()>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn load(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        (**self).load(each)
    }

    fn commit<'c>(
        &mut self,
        changes: &mut dyn Iterator<Item = (&'c [u8], Option<&'c [u8]>)>,
    ) -> io::Result<()> {
        (**self).commit(changes)
    }
}
