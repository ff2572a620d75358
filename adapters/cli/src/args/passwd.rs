//! `mqtt passwd`.

use std::path::PathBuf;

use clap::Args;

/// What `mqtt passwd` is to do.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct Passwd {
    /// File of users and passwords
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The user
    #[arg(value_name = "USER")]
    pub user: String,
    /// Take the user out of the file
    #[arg(long, conflicts_with_all = ["password_stdin", "password_file"])]
    pub delete: bool,
    /// Read the password from stdin, up to the end of its first line
    #[arg(long, conflicts_with = "password_file")]
    pub password_stdin: bool,
    /// Read the password from this file, up to the end of its first line
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}
