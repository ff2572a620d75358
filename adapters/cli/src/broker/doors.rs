//! Who may come in where, from the files that the settings name.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use mqtt_access::{Door, FileError, Passwords, Rules};

use crate::config::Listener;

/// Reads all files; each once, however many listeners name it.
pub(super) fn read(listeners: &[Listener]) -> Result<Vec<Door>, FileError> {
    let mut passwords = Files::new(|path| Passwords::read(path));
    let mut rules = Files::new(|path| Rules::read(path));
    listeners
        .iter()
        .map(|listener| {
            let mut door = Door::OPEN;
            door.anonymous = listener.allows_anonymous();
            door.passwords = passwords.read(listener.password_file.as_ref())?;
            door.rules = rules.read(listener.access_rules.as_ref())?;
            door.grant = listener.offer.grant.clone();
            Ok(door)
        })
        .collect()
}

struct Files<T, F> {
    read: F,
    found: BTreeMap<PathBuf, Arc<T>>,
}

impl<T, F: Fn(&PathBuf) -> Result<T, FileError>> Files<T, F> {
    const fn new(read: F) -> Self {
        Self {
            read,
            found: BTreeMap::new(),
        }
    }

    fn read(&mut self, path: Option<&PathBuf>) -> Result<Option<Arc<T>>, FileError> {
        let Some(path) = path else { return Ok(None) };
        if let Some(found) = self.found.get(path) {
            return Ok(Some(Arc::clone(found)));
        }
        let new = Arc::new((self.read)(path)?);
        self.found.insert(path.clone(), Arc::clone(&new));
        Ok(Some(new))
    }
}
