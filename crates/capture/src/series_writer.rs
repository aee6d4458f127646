//! Writes the process series: text that any kill leaves readable, compressed when it has grown and at the end.

use std::fs::{self, File};
use std::io::Write;

use brimline_store::series::{SCHEMA, Sample};
use brimline_store::{RunFolder, StoreError, private_file};

/// Text is compressed when it has this size.
const TEXT_BYTES: u64 = 1 << 20;
const ZSTD_LEVEL: i32 = 3;

/// An open series. Each call of [`Self::append`] is one write, so a kill tears one line at most.
#[derive(Debug)]
pub(crate) struct SeriesWriter {
    folder: RunFolder,
    text: File,
    bytes: u64,
}

impl SeriesWriter {
    pub(crate) fn create(folder: &RunFolder) -> Result<Self, StoreError> {
        let text = private_file::open_append(&folder.series_path())?;
        let mut writer = Self { folder: folder.clone(), text, bytes: 0 };
        writer.write(format!("{{\"schema\":\"{SCHEMA}\"}}\n").as_bytes())?;
        Ok(writer)
    }

    pub(crate) fn append(&mut self, samples: &[Sample]) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        for sample in samples {
            // A sample holds numbers only: writing it to memory cannot fail.
            if serde_json::to_writer(&mut lines, sample).is_ok() {
                lines.push(b'\n');
            }
        }
        self.write(&lines)?;
        if self.bytes >= TEXT_BYTES { self.compress() } else { Ok(()) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.folder.series_path();
        self.text.write_all(bytes).map_err(|source| StoreError::Io { action: "write", path, source })?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Appends the text to the compressed file as a frame of its own, and empties the text.
    fn compress(&mut self) -> Result<(), StoreError> {
        let path = self.folder.series_path();
        let failed = |action: &'static str| {
            let path = path.clone();
            move |source| StoreError::Io { action, path, source }
        };
        let text = fs::read(&path).map_err(failed("read"))?;
        let frame = zstd::encode_all(&text[..], ZSTD_LEVEL).map_err(failed("compress"))?;
        let closed = self.folder.closed_series_path();
        let mut file = private_file::open_append(&closed)?;
        let before = file.metadata().map_err(failed("read"))?.len();
        if let Err(source) = file.write_all(&frame) {
            // Half a frame would hide the frames after it.
            let _ = file.set_len(before);
            return Err(StoreError::Io { action: "write", path: closed, source });
        }
        self.text.set_len(0).map_err(failed("empty"))?;
        self.bytes = 0;
        Ok(())
    }

    /// Compresses what is left and removes the text.
    pub(crate) fn close(mut self) -> Result<(), StoreError> {
        self.compress()?;
        let path = self.folder.series_path();
        fs::remove_file(&path).map_err(|source| StoreError::Io { action: "remove", path, source })
    }
}
