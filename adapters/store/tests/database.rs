//! What the broker relies on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use mqtt_async::Store;
use mqtt_store::{Database, OpenError};
use redb::{ReadableDatabase as _, TableDefinition};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn entries(store: &mut Database) -> Entries {
    let mut entries = BTreeMap::new();
    store
        .load(&mut |key, value| {
            assert_eq!(
                entries.insert(key.to_vec(), value.to_vec()),
                None,
                "{key:?} twice"
            );
        })
        .unwrap();
    entries
}

fn commit(store: &mut Database, changes: &[(&[u8], Option<&[u8]>)]) -> io::Result<()> {
    store.commit(&mut changes.iter().copied())
}

#[test]
fn entries_are_there_again_after_a_drop_and_later_changes_win() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Database::open(directory.path()).unwrap();
    assert_eq!(entries(&mut store), Entries::new());
    commit(
        &mut store,
        &[(b"a", Some(b"1")), (b"b", Some(b"2")), (b"c", Some(b"3"))],
    )
    .unwrap();
    commit(&mut store, &[(b"a", None), (b"b", Some(b"4")), (b"none", None)]).unwrap();
    // Of one key in one batch, the last change counts.
    commit(
        &mut store,
        &[(b"d", Some(b"5")), (b"d", None), (b"e", None), (b"e", Some(b"6"))],
    )
    .unwrap();
    let expected =
        Entries::from([(b"b", b"4"), (b"c", b"3"), (b"e", b"6")].map(|(k, v)| (k.to_vec(), v.to_vec())));
    assert_eq!(entries(&mut store), expected);
    drop(store);
    let mut store = Database::open(directory.path()).unwrap();
    assert_eq!(entries(&mut store), expected);
}

#[test]
fn keys_and_values_are_bytes_of_any_shape_and_length() {
    let directory = tempfile::tempdir().unwrap();
    let mut expected = Entries::new();
    // A key may hold the longest topic and what stands before it; a value, the largest packet of the default configuration.
    for key in [
        vec![],
        vec![0],
        vec![0, 0],
        vec![0xFF; 7],
        vec![b't'; 65_535 + 64],
        (0..=255).collect(),
    ] {
        for (n, value) in [vec![], vec![0; 3], vec![0xFF; 5_000]].into_iter().enumerate() {
            let mut key = key.clone();
            key.push(n as u8);
            expected.insert(key, value);
        }
    }
    expected.insert(vec![], vec![9]);
    expected.insert(vec![1], vec![7; 16 << 20]);
    let mut store = Database::open(directory.path()).unwrap();
    let all: Vec<_> = expected.iter().map(|(k, v)| (&k[..], Some(&v[..]))).collect();
    commit(&mut store, &all).unwrap();
    drop(store);
    let mut store = Database::open(directory.path()).unwrap();
    assert_eq!(entries(&mut store), expected);
    let none: Vec<_> = expected.keys().map(|k| (&k[..], None)).collect();
    commit(&mut store, &none).unwrap();
    assert_eq!(entries(&mut store), Entries::new());
}

#[test]
fn a_directory_is_made_with_all_above_it_and_serves_one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("some/where");
    let store = Database::open(&inner).unwrap();
    let second = Database::open(&inner);
    let Err(error @ OpenError::InUse { .. }) = second else {
        panic!("{second:?}")
    };
    assert_eq!(
        error.to_string(),
        format!("{}: another process uses this store", inner.display())
    );
    drop(store);
    Database::open(&inner).unwrap();
}

/// The process of the next test.
#[test]
fn a_process_that_holds_a_store() {
    let Some(directory) = std::env::var_os("HELD_STORE") else {
        return;
    };
    let mut store = Database::open(directory).unwrap();
    commit(&mut store, &[(b"from", Some(b"the other"))]).unwrap();
    println!("\nheld");
    let _ = io::stdin().read_line(&mut String::new());
    // It was killed before this, or the test has failed.
    panic!("nobody has killed it");
}

#[test]
fn another_process_is_kept_out_until_this_one_is_killed_and_finds_what_was_committed() {
    use std::io::BufRead as _;
    let directory = tempfile::tempdir().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_holds_a_store", "--nocapture"])
        .env("HELD_STORE", directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = io::BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    let second = Database::open(directory.path());
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    let mut store = Database::open(directory.path()).unwrap();
    assert_eq!(
        entries(&mut store),
        Entries::from([(b"from".to_vec(), b"the other".to_vec())])
    );
}

fn redb(directory: &Path) -> redb::Database {
    redb::Database::create(directory.join("broker.redb")).unwrap()
}

#[test]
fn a_format_that_is_not_known_is_not_touched() {
    const ABOUT: TableDefinition<'static, &str, u32> = TableDefinition::new("about");
    let directory = tempfile::tempdir().unwrap();
    drop(Database::open(directory.path()).unwrap());
    let other = redb(directory.path());
    let writing = other.begin_write().unwrap();
    writing.open_table(ABOUT).unwrap().insert("format", 2).unwrap();
    writing.commit().unwrap();
    drop(other);
    let opened = Database::open(directory.path());
    let Err(error @ OpenError::Format { found: Some(2), .. }) = opened else {
        panic!("{opened:?}")
    };
    assert!(
        error
            .to_string()
            .ends_with("the store is of format 2, and only 1 is known here"),
        "{error}"
    );
    let found = redb(directory.path())
        .begin_read()
        .unwrap()
        .open_table(ABOUT)
        .unwrap()
        .get("format")
        .unwrap()
        .unwrap()
        .value();
    assert_eq!(found, 2);
}

#[test]
fn what_is_not_a_brokers_store_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let other = redb(directory.path());
    let writing = other.begin_write().unwrap();
    writing
        .open_table(TableDefinition::<u8, u8>::new("something else"))
        .unwrap()
        .insert(1, 2)
        .unwrap();
    writing.commit().unwrap();
    drop(other);
    let opened = Database::open(directory.path());
    assert!(
        matches!(opened, Err(OpenError::Format { found: None, .. })),
        "{opened:?}"
    );

    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("broker.redb"),
        "not a database, but long enough to be looked at".repeat(1_000),
    )
    .unwrap();
    let opened = Database::open(directory.path());
    assert!(matches!(opened, Err(OpenError::Io { .. })), "{opened:?}");

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let opened = Database::open(&file);
    assert!(matches!(opened, Err(OpenError::Io { .. })), "{opened:?}");
}

#[test]
fn of_a_commit_that_a_loss_of_power_has_torn_there_is_all_or_nothing() {
    const BLOCK: usize = 4_096;
    let mut seen = [0; 2];
    let mut random = 1_u64;
    for _ in 0..60 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("broker.redb");
        let mut store = Database::open(directory.path()).unwrap();
        let put = |store: &mut Database, numbers: core::ops::Range<u32>| {
            let keys: Vec<_> = numbers.map(u32::to_be_bytes).collect();
            let values: Vec<_> = keys.iter().map(|key| [key[3]; 700]).collect();
            let pairs = keys.iter().zip(&values);
            let changes: Vec<_> = pairs.map(|(k, v)| (&k[..], Some(&v[..]))).collect();
            commit(store, &changes).unwrap();
        };
        put(&mut store, 0..60);
        let before = fs::read(&path).unwrap();
        put(&mut store, 60..90);
        let after = fs::read(&path).unwrap();
        drop(store);
        // Each block that it has changed may have reached the disk, or not.
        let mut torn = after;
        for at in (0..torn.len()).step_by(BLOCK) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if random >> 63 == 0 {
                for (n, byte) in torn.iter_mut().enumerate().skip(at).take(BLOCK) {
                    *byte = before.get(n).copied().unwrap_or(0);
                }
            }
        }
        fs::write(&path, torn).unwrap();
        let mut store = Database::open(directory.path()).unwrap();
        let found = entries(&mut store);
        assert!(found.len() == 60 || found.len() == 90, "{} entries", found.len());
        assert!(found.iter().all(|(key, value)| value == &[key[3]; 700]));
        seen[usize::from(found.len() == 90)] += 1;
        // And it goes on.
        put(&mut store, 90..91);
        drop(store);
        assert_eq!(
            entries(&mut Database::open(directory.path()).unwrap()).len(),
            found.len() + 1
        );
    }
    assert!(seen[0] > 0, "{seen:?}: nothing was torn");
}
