//! From TOML to settings, with the place of whatever is wrong.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Listener, Settings, key::Key, listener, log, server, setting::unexpected};

/// What is wrong, and at which byte.
pub(super) struct Wrong {
    at: usize,
    what: String,
}

impl Wrong {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
        }
    }
}

impl From<toml::de::Error> for Wrong {
    fn from(error: toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start);
        Self::new(at, error.message().lines().collect::<Vec<_>>().join("; "))
    }
}

/// Reads a configuration. The error is one line: `line:column: what`.
pub(super) fn read(text: &str) -> Result<Settings, String> {
    settings(text).map_err(|wrong| {
        let before = text.get(..wrong.at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{line}:{column}: {}", wrong.what)
    })
}

fn settings(text: &str) -> Result<Settings, Wrong> {
    let root = DeTable::parse(text)?;
    let mut settings = Settings::default();
    let root = root.get_ref();
    section(
        root,
        &[server::KEYS, server::SYS],
        &["log", "limits", "listener"],
        &mut settings,
    )?;
    if let Some(table) = child(root, "log")? {
        section(table.get_ref(), &[log::KEYS], &[], &mut settings.log)?;
    }
    if let Some(table) = child(root, "limits")? {
        section(
            table.get_ref(),
            &[server::LIMITS],
            &[],
            &mut settings.server.limits,
        )?;
    }
    if let Some(list) = root.get("listener") {
        let at = list.span().start;
        let Some(list) = list.get_ref().as_array() else {
            return Err(Wrong::new(
                at,
                "a listener is written [[listener]], with two brackets",
            ));
        };
        settings.listeners = list.iter().map(read_listener).collect::<Result<_, _>>()?;
        if settings.listeners.is_empty() {
            return Err(Wrong::new(at, "no listener: without this key there is one"));
        }
    }
    Ok(settings)
}

fn read_listener(value: &Spanned<DeValue<'_>>) -> Result<Listener, Wrong> {
    let at = value.span().start;
    let Some(table) = value.get_ref().as_table() else {
        return Err(Wrong::new(at, unexpected("a table", value.get_ref())));
    };
    let mut read = Listener::nowhere();
    section(
        table,
        &[listener::KEYS, listener::FILES, listener::OFFER],
        &["limits"],
        &mut read,
    )?;
    if let Some(limits) = child(table, "limits")? {
        section(limits.get_ref(), &[listener::LIMITS], &[], &mut read)?;
    }
    if read.address.is_none() {
        return Err(Wrong::new(at, "a listener needs `tcp` or `unix`"));
    }
    Ok(read)
}

/// A table inside of a table.
fn child<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Result<Option<Spanned<&'t DeTable<'i>>>, Wrong> {
    let Some(value) = table.get(name) else {
        return Ok(None);
    };
    let span = value.span();
    match value.get_ref().as_table() {
        Some(table) => Ok(Some(Spanned::new(span, table))),
        None => Err(Wrong::new(
            span.start,
            unexpected(&format!("a table, [{name}]"), value.get_ref()),
        )),
    }
}

/// Reads all keys of a table but those that are tables.
fn section<T>(table: &DeTable<'_>, keys: &[&[Key<T>]], tables: &[&str], target: &mut T) -> Result<(), Wrong> {
    let mut entries: Vec<_> = table
        .iter()
        .filter(|(name, _)| !tables.contains(&&**name.get_ref()))
        .collect();
    // What is wrong first is said.
    entries.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in entries {
        let all = || keys.iter().copied().flatten();
        let Some(key) = all().find(|key| key.name == &**name.get_ref()) else {
            let names = all().map(|key| key.name).chain(tables.iter().copied());
            return Err(Wrong::new(name.span().start, unknown(name.get_ref(), names)));
        };
        (key.set)(target, value.get_ref())
            .map_err(|what| Wrong::new(value.span().start, format!("{}: {what}", key.name)))?;
    }
    Ok(())
}

fn unknown<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    let near = known
        .map(|key| (strsim::damerau_levenshtein(name, key), key))
        .min()
        .filter(|&(distance, key)| distance * 2 <= key.len().max(name.len()));
    match near {
        Some((_, key)) => format!("unknown key '{name}': is it '{key}'?"),
        None => format!("unknown key '{name}'"),
    }
}
