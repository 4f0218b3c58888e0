//! The published bundles on disk: one file, the newest bundle of each topic.

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use crate::catalogue::Topic;

/// (ruleset, audience or empty) to (Unix time of publication in milliseconds, the file as it was published).
const BUNDLES: TableDefinition<(&str, &str), (u64, &[u8])> = TableDefinition::new("bundles");

/// What the layout of the file is, under `format`.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const FORMAT: u64 = 1;

/// Bundles are read once, when the service starts; redb's own default is a cache of 1 GiB.
const CACHE_LEN: usize = 4 << 20;

/// The published bundles on disk.
#[derive(Debug)]
pub struct Store {
    database: Database,
}

/// A bundle as it was published. Whether it still counts is for the verifier to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBundle {
    /// What it was published for.
    pub topic: Topic,
    /// Unix time in milliseconds.
    pub published_at_ms: u64,
    /// The bundle, with its detached sections if it came with them.
    pub file: Vec<u8>,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error("{path:?} is in use by another process; stop that `rule-pusher serve`, or give this one another `--store`", path = .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not there and cannot be made, or is no store.
    #[error("cannot open {path:?} as a store: {error}", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<DatabaseError>,
    },
    /// The file was written by a newer version.
    #[error(
        "the store has format {0}, this version knows {FORMAT}; use the newer `rule-pusher`, or another `--store`"
    )]
    NewerFormat(u64),
    /// Reading or writing failed.
    #[error("the store failed: {0}")]
    Io(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Io(Box::new(error.into()))
    }
}

impl Store {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// If the file is in use, is no store, or is of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::builder()
            .set_cache_size(CACHE_LEN)
            .create(path)
            .map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => StoreError::InUse {
                    path: path.to_owned(),
                },
                error => StoreError::Open {
                    path: path.to_owned(),
                    error: Box::new(error),
                },
            })?;
        let store = Self { database };
        store.check_format()?;
        Ok(store)
    }

    /// All bundles, in the order of their topics.
    ///
    /// # Errors
    ///
    /// If reading fails.
    pub fn bundles(&self) -> Result<Vec<StoredBundle>, StoreError> {
        let table = self.database.begin_read()?.open_table(BUNDLES)?;
        let mut bundles = Vec::new();
        for entry in table.iter()? {
            let (key, value) = entry?;
            let (ruleset, audience) = key.value();
            let (published_at_ms, file) = value.value();
            let audience = Some(audience).filter(|audience| !audience.is_empty());
            let topic = Topic {
                ruleset: ruleset.to_owned(),
                audience: audience.map(ToOwned::to_owned),
            };
            bundles.push(StoredBundle {
                topic,
                published_at_ms,
                file: file.to_owned(),
            });
        }
        Ok(bundles)
    }

    /// The file of the topic's bundle, if there is one.
    ///
    /// # Errors
    ///
    /// If reading fails.
    pub fn file(&self, topic: &Topic) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.database.begin_read()?.open_table(BUNDLES)?;
        let found = table.get(key(topic))?;
        Ok(found.map(|value| value.value().1.to_owned()))
    }

    /// Replaces the topic's bundle. It is on disk when this returns; after an error the old one still is.
    ///
    /// # Errors
    ///
    /// If writing fails.
    pub fn put(&self, topic: &Topic, file: &[u8], published_at_ms: u64) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        transaction
            .open_table(BUNDLES)?
            .insert(key(topic), (published_at_ms, file))?;
        transaction.commit()?;
        Ok(())
    }

    /// Writes the format into a new file, and compares it in an old one.
    fn check_format(&self) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            let found = meta.get("format")?.map(|format| format.value());
            match found {
                Some(FORMAT) => {}
                Some(newer) => return Err(StoreError::NewerFormat(newer)),
                None => {
                    meta.insert("format", FORMAT)?;
                }
            }
            transaction.open_table(BUNDLES)?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn key(topic: &Topic) -> (&str, &str) {
    let audience = topic.audience.as_deref().unwrap_or_default();
    (&topic.ruleset, audience)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(audience: Option<&str>) -> Topic {
        Topic {
            ruleset: "storefront".to_owned(),
            audience: audience.map(ToOwned::to_owned),
        }
    }

    fn stored(audience: Option<&str>, file: &[u8], published_at_ms: u64) -> StoredBundle {
        StoredBundle {
            topic: topic(audience),
            published_at_ms,
            file: file.to_vec(),
        }
    }

    #[test]
    fn the_newest_bundle_of_each_topic_survives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        {
            let store = Store::open(&path).unwrap();
            assert_eq!(store.bundles().unwrap(), []);
            store.put(&topic(None), b"one", 1).unwrap();
            store.put(&topic(Some("eu")), b"two", 2).unwrap();
            store.put(&topic(None), b"three", 3).unwrap();
        }
        let store = Store::open(&path).unwrap();
        assert_eq!(store.file(&topic(None)).unwrap().unwrap(), b"three");
        assert_eq!(store.file(&topic(Some("us"))).unwrap(), None);
        let bundles = store.bundles().unwrap();
        assert_eq!(
            bundles,
            [stored(None, b"three", 3), stored(Some("eu"), b"two", 2)]
        );
    }

    #[test]
    fn a_store_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let _held = Store::open(&path).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::InUse { .. })));
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "not a database").unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Open { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"not a database");
    }

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        {
            let store = Store::open(&path).unwrap();
            let transaction = store.database.begin_write().unwrap();
            transaction
                .open_table(META)
                .unwrap()
                .insert("format", FORMAT + 1)
                .unwrap();
            transaction.commit().unwrap();
        }
        assert!(matches!(
            Store::open(&path),
            Err(StoreError::NewerFormat(2))
        ));
    }
}
