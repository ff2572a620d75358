//! Passwords are verified on threads of their own.

use core::fmt;
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use zeroize::Zeroizing;

use crate::Passwords;

/// Threads that verify passwords, so that nobody else has to wait meanwhile.
///
/// They take what is asked in order, and call back with the answer. What waits is bounded: a crowd of clients cannot make
/// more work than that, nor more memory. Clones share the threads, which end with the last clone.
#[derive(Clone)]
pub struct Verifier(SyncSender<Job>);

/// What is to be done with an answer.
type Then = Box<dyn FnOnce(bool) + Send>;

struct Job {
    passwords: Arc<Passwords>,
    user: Box<str>,
    password: Zeroizing<Vec<u8>>,
    then: Then,
}

/// More is asked than may wait.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many passwords wait to be verified")
    }
}

impl core::error::Error for Busy {}

impl Verifier {
    /// So many threads, at least one; and so many passwords that may wait for them. Each thread needs the memory that argon2 is
    /// told to use, by default 19 MiB, while it works.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn new(threads: usize, waiting: usize) -> io::Result<Self> {
        let (sender, jobs) = sync_channel(waiting);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads.max(1) {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new()
                .name(format!("mqtt-verify-{number}"))
                .spawn(move || work(&jobs))?;
        }
        Ok(Self(sender))
    }

    /// Asks whether this is the user's password; `then` is called with the answer on one of the threads.
    ///
    /// # Errors
    /// [`Busy`]; `then` is not called.
    pub fn verify(
        &self,
        passwords: Arc<Passwords>,
        user: &str,
        password: &[u8],
        then: impl FnOnce(bool) + Send + 'static,
    ) -> Result<(), Busy> {
        let job = Job {
            passwords,
            user: user.into(),
            password: Zeroizing::new(password.to_vec()),
            then: Box::new(then),
        };
        match self.0.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Busy),
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // Whoever has the lock waits for the next job; the others wait for the lock.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let right = job.passwords.verify(&job.user, &job.password);
        (job.then)(right);
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "threads are what is tested")]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::passwords::tests::passwords;

    #[test]
    fn each_question_is_answered_once_whatever_the_number_of_threads() {
        let passwords = Arc::new(passwords(&[("a", "1"), ("b", "2")]));
        for threads in [0, 1, 3] {
            let verifier = Verifier::new(threads, 100).unwrap();
            let (answers, answered) = channel();
            for number in 0..40_usize {
                let (user, password) = [("a", "1"), ("a", "2"), ("b", "2"), ("c", "1")][number % 4];
                let answers = answers.clone();
                verifier
                    .verify(Arc::clone(&passwords), user, password.as_bytes(), move |right| {
                        answers.send((number, right)).unwrap();
                    })
                    .unwrap();
            }
            drop(answers);
            let mut answers: Vec<_> = answered.into_iter().collect();
            answers.sort_unstable();
            let expected: Vec<_> = (0..40).map(|number| (number, number % 2 == 0)).collect();
            assert_eq!(answers, expected, "{threads} threads");
        }
    }

    #[test]
    fn what_waits_is_bounded_and_no_caller_is_held_up() {
        let passwords = Arc::new(passwords(&[("a", "1")]));
        let verifier = Verifier::new(1, 2).unwrap();
        let (begin, begun) = channel();
        let (release, held) = channel::<()>();
        let first = verifier.verify(Arc::clone(&passwords), "a", b"1", move |_| {
            begin.send(()).unwrap();
            held.recv().unwrap();
        });
        assert_eq!(first, Ok(()));
        begun.recv().unwrap();
        // The thread is busy: two may wait, the third may not.
        let (answers, answered) = channel();
        let asked: Vec<_> = (0..3)
            .map(|_| {
                let answers = answers.clone();
                verifier.verify(Arc::clone(&passwords), "a", b"1", move |right| {
                    answers.send(right).unwrap()
                })
            })
            .collect();
        drop(answers);
        assert_eq!(asked, [Ok(()), Ok(()), Err(Busy)]);
        release.send(()).unwrap();
        assert_eq!(answered.into_iter().collect::<Vec<_>>(), [true, true]);
    }
}
