//! What the owner of a journal may choose. Next door: `depot` (how spare files are kept), `table` (victims).

use crate::error::Error;
use crate::segment::HEADER_BLOCK;

/// How a journal lays its files out and how hard it tries to keep them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Bytes of one segment file, 16 MiB by default. Rounded up to 4 KiB; from 16 KiB to 1 GiB.
    /// An existing journal keeps the sizes its files have; new files take the new size.
    pub segment_bytes: u64,
    /// Dead segment files kept for another life, 2 by default. Writing into a file that was written before
    /// leaves an `fdatasync` no metadata to commit.
    pub spare_segments: usize,
    /// False: a scratch journal (paged-out transient messages). It is never synced, writes no footers, and its
    /// directory is emptied at open. `Event::Durable` then means "handed to the operating system".
    pub durable: bool,
    /// Share of a sealed segment's records, 0 to 1, that must still be needed to leave it alone; 0.5 by default.
    pub reclaim_below: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config { segment_bytes: 16 << 20, spare_segments: 2, durable: true, reclaim_below: 0.5 }
    }
}

impl Config {
    const SEGMENT_BYTES_MIN: u64 = 16 << 10;
    const SEGMENT_BYTES_MAX: u64 = 1 << 30;

    /// The same with sizes rounded; an error where a value makes no sense.
    pub(crate) fn checked(mut self) -> Result<Config, Error> {
        let range = Self::SEGMENT_BYTES_MIN..=Self::SEGMENT_BYTES_MAX;
        if !range.contains(&self.segment_bytes) {
            return Err(Error::Config(format!(
                "segment_bytes is {}, allowed are {} to {}",
                self.segment_bytes,
                range.start(),
                range.end()
            )));
        }
        if !(0.0..=1.0).contains(&self.reclaim_below) {
            return Err(Error::Config(format!(
                "reclaim_below is {}, allowed are 0 to 1",
                self.reclaim_below
            )));
        }
        self.segment_bytes = self.segment_bytes.next_multiple_of(HEADER_BLOCK);
        Ok(self)
    }
}
