//! The object store: bytes under keys, in a folder or in a bucket that speaks S3.
//!
//! It keeps what is too large for the database and decides nothing: which objects there are to be stands in the
//! database. A key is used once, so that an object never changes.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, RetryConfig, WriteMultipart,
};
use secrecy::ExposeSecret as _;

use crate::config;

/// How many bytes are sent in one part. S3 takes no less than 5 MiB in any part but the last.
const PART_BYTES: usize = 8 << 20;

/// How many parts are on their way at once.
const PARTS_AT_ONCE: usize = 2;

/// For how long a request to the store is tried again: a caller waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);

/// The object store did not do what it was asked; the words are for the log.
#[derive(Debug, thiserror::Error)]
#[error("the object store failed: {0}")]
pub struct ObjectsError(#[from] object_store::Error);

/// A result of the object store.
pub type Result<T, E = ObjectsError> = std::result::Result<T, E>;

/// The object store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
}

impl Objects {
    /// Opens the bucket of the settings, or else this folder, which is made when it is not there.
    ///
    /// # Errors
    /// If the folder cannot be made or the settings name no bucket.
    pub fn open(settings: &config::Objects, folder: &Path) -> anyhow::Result<Self> {
        let Some(bucket) = &settings.bucket else {
            std::fs::create_dir_all(folder)?;
            // A 2xx means durable: an object is flushed before the database says that it is there.
            let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true);
            return Ok(Self { store: Arc::new(store), prefix: Key::default() });
        };
        let place = bucket.strip_prefix("s3://").unwrap_or(bucket);
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: 5, retry_timeout: PATIENCE };
        let mut builder = AmazonS3Builder::new().with_bucket_name(name).with_region(&settings.region).with_retry(retry);
        if let Some(endpoint) = &settings.endpoint_url {
            let in_the_clear = endpoint.scheme() == "http";
            let endpoint = endpoint.as_str().trim_end_matches('/');
            builder = builder
                .with_endpoint(endpoint)
                .with_client_options(ClientOptions::new().with_allow_http(in_the_clear).with_timeout(PATIENCE));
        }
        if let (Some(id), Some(key)) = (&settings.access_key_id, &settings.secret_access_key) {
            builder = builder.with_access_key_id(id).with_secret_access_key(key.expose_secret());
        }
        Ok(Self { store: Arc::new(builder.build()?), prefix: Key::parse(prefix)? })
    }

    fn key(&self, key: &str) -> Key {
        self.prefix.parts().chain(Key::from(key).parts()).collect()
    }

    /// Begins an object. Nothing is there until [`Writing::finish`] has returned.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn write(&self, key: &str) -> Result<Writing> {
        let upload = self.store.put_multipart(&self.key(key)).await?;
        Ok(Writing(WriteMultipart::new_with_chunk_size(upload, PART_BYTES)))
    }

    /// The bytes of an object, piece by piece.
    ///
    /// # Errors
    /// If there is no such object or the store cannot be reached; each piece may fail too.
    pub async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let object = self.store.get(&self.key(key)).await?;
        Ok(object.into_stream().map_err(ObjectsError::from).boxed())
    }

    /// Some of the bytes of an object, piece by piece: those of the range, which must not be empty.
    ///
    /// # Errors
    /// As [`Objects::read`], and if the object ends before the range begins.
    pub async fn read_part(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let object = self.store.get_opts(&self.key(key), options).await?;
        Ok(object.into_stream().map_err(ObjectsError::from).boxed())
    }

    /// Removes an object. One that is not there is removed already.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn remove(&self, key: &str) -> Result<()> {
        match self.store.delete(&self.key(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// An object that is being written.
#[derive(Debug)]
pub struct Writing(WriteMultipart);

impl Writing {
    /// Adds bytes; waits while too many are on their way.
    ///
    /// # Errors
    /// If a part could not be stored.
    pub async fn add(&mut self, bytes: Bytes) -> Result<()> {
        self.0.wait_for_capacity(PARTS_AT_ONCE).await?;
        self.0.put(bytes);
        Ok(())
    }

    /// Ends the object: it is there, durably, once this has returned.
    ///
    /// # Errors
    /// If a part could not be stored or the store refuses.
    pub async fn finish(self) -> Result<()> {
        self.0.finish().await?;
        Ok(())
    }

    /// Gives the object up; what was stored of it is removed.
    ///
    /// # Errors
    /// If the store cannot be reached: then what was stored is removed with the garbage.
    pub async fn give_up(self) -> Result<()> {
        Ok(self.0.abort().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(objects: &Objects, key: &str) -> Result<Vec<u8>> {
        let pieces: Vec<Bytes> = objects.read(key).await?.try_collect().await?;
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn an_object_is_there_once_it_is_finished_and_gone_once_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(&config::Objects::default(), &folder.path().join("objects")).unwrap();
        let mut writing = objects.write("ab/1").await.unwrap();
        writing.add(Bytes::from_static(b"one ")).await.unwrap();
        writing.add(Bytes::from(vec![b'x'; PART_BYTES + 1])).await.unwrap();
        assert!(read(&objects, "ab/1").await.is_err(), "it is not finished");
        writing.finish().await.unwrap();
        let stored = read(&objects, "ab/1").await.unwrap();
        assert_eq!((stored.len(), &stored[..6]), (PART_BYTES + 5, &b"one xx"[..]));
        let part: Vec<Bytes> = objects.read_part("ab/1", 2..6).await.unwrap().try_collect().await.unwrap();
        assert_eq!(part.concat(), b"e xx");
        objects.remove("ab/1").await.unwrap();
        objects.remove("ab/1").await.unwrap();
        assert!(read(&objects, "ab/1").await.is_err());
    }

    #[tokio::test]
    async fn an_object_that_was_given_up_was_never_there() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(&config::Objects::default(), folder.path()).unwrap();
        let mut writing = objects.write("ab/2").await.unwrap();
        writing.add(Bytes::from_static(b"half")).await.unwrap();
        writing.give_up().await.unwrap();
        assert!(read(&objects, "ab/2").await.is_err());
    }

    #[test]
    fn a_bucket_is_opened_without_asking_it() {
        let settings = config::Objects {
            bucket: Some("s3://attachments/testyard/x".into()),
            endpoint_url: Some("http://127.0.0.1:9/".parse().unwrap()),
            access_key_id: Some("id".into()),
            secret_access_key: Some("key".to_owned().into()),
            ..config::Objects::default()
        };
        let objects = Objects::open(&settings, Path::new("unused")).unwrap();
        assert_eq!(objects.key("ab/1").as_ref(), "testyard/x/ab/1");
    }
}
