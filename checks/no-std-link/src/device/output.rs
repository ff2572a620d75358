//! Text to the host.

use core::{
    ffi::{c_int, c_void},
    fmt,
};

#[link(name = "c")]
unsafe extern "C" {
    fn write(fd: c_int, bytes: *const c_void, len: usize) -> isize;
}

/// The standard output of the program.
pub(crate) struct StandardOutput;

impl fmt::Write for StandardOutput {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            // SAFETY: so many bytes can be read from there, and nobody changes them meanwhile.
            let written = unsafe { write(1, rest.as_ptr().cast(), rest.len()) };
            let written = usize::try_from(written).map_err(|_| fmt::Error)?;
            rest = rest.get(written..).filter(|_| written > 0).ok_or(fmt::Error)?;
        }
        Ok(())
    }
}
