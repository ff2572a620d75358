//! `mqtt passwd`.

use std::os::unix::fs::PermissionsExt as _;

use crate::{
    directory::Directory,
    process::{error, run, run_with_input},
};

fn set(file: &str, user: &str, password: &str) {
    let output = run_with_input(&["passwd", file, user, "--password-stdin"], password.as_bytes());
    assert_eq!((output.status.code(), &*error(&output)), (Some(0), ""));
    assert!(output.stdout.is_empty());
}

fn users(directory: &Directory) -> Vec<String> {
    let text = directory.read("passwords");
    text.lines()
        .map(|line| line.split(':').next().unwrap().into())
        .collect()
}

#[test]
fn it_adds_changes_and_removes_users_and_never_shows_a_password() {
    let directory = Directory::new();
    let file = directory.path("passwords");
    set(&file, "ann", "secret\n");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    set(&file, "bob", "other");
    let before = directory.read("passwords");
    assert!(
        !before.contains("secret") && !before.contains("other"),
        "{before}"
    );
    assert!(
        before.lines().all(|line| line.contains(":$argon2id$v=19$m=")),
        "{before}"
    );

    let password = directory.file("password", "third\n");
    let output = run(&["passwd", &file, "ann", "--password-file", &password]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let after = directory.read("passwords");
    assert_eq!(users(&directory), ["ann", "bob"]);
    let changed: Vec<_> = before
        .lines()
        .zip(after.lines())
        .map(|(one, two)| one != two)
        .collect();
    assert_eq!(changed, [true, false]);

    let output = run(&["passwd", &file, "ann", "--delete"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert_eq!(users(&directory), ["bob"]);
}

#[test]
fn what_is_wrong_is_said_and_changes_nothing() {
    let directory = Directory::new();
    let file = directory.path("passwords");
    set(&file, "ann", "secret");
    let before = directory.read("passwords");
    let broken = directory.file("broken", "# users\nann:secret\n");
    let nowhere = directory.path("nowhere");
    for (args, said) in [
        (
            &["passwd", &file, "bob", "--delete"][..],
            format!("no user 'bob' in {file}"),
        ),
        (
            &["passwd", &nowhere, "bob", "--delete"],
            format!("{nowhere}: No such file or directory (os error 2)"),
        ),
        (
            &["passwd", &file, "a:b", "--password-stdin"],
            "a user's name has no colon and no line break".into(),
        ),
        (
            &["passwd", &broken, "bob", "--password-stdin"],
            format!("{broken}:2: user 'ann': the hash does not begin with '$': make it with `mqtt passwd`"),
        ),
        (
            &["passwd", &file, "bob", "--password-file", &nowhere],
            format!("cannot read {nowhere}: No such file or directory (os error 2)"),
        ),
    ] {
        let output = run_with_input(args, b"secret");
        assert_eq!(
            (output.status.code(), error(&output)),
            (Some(1), format!("mqtt passwd: {said}\n"))
        );
    }
    let output = run_with_input(&["passwd", &file, "bob", "--password-stdin"], b"\n");
    assert_eq!(error(&output), "mqtt passwd: an empty password is none\n");
    assert_eq!(directory.read("passwords"), before);
}
