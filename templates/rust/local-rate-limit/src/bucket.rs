//! A bucket of tokens in the proxy's shared data, which all worker threads see.

use crate::config::Config;
use proxy_wasm::hostcalls::{get_shared_data, set_shared_data};
use proxy_wasm::types::Status;
use std::time::Duration;

/// 16 bytes of shared data: both numbers in turn, the lowest byte first.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Bucket {
    tokens: u64,
    /// Time of the last fill, in nanoseconds since 1970.
    filled_at: u64,
}

/// Takes a token. Without one, tells how long it takes until new ones come.
pub fn take_token(key: &str, config: &Config, now: u64) -> Result<Option<Duration>, Status> {
    loop {
        let (stored, version) = get_shared_data(key)?;
        let stored = stored.as_deref().and_then(Bucket::read);
        let mut bucket = stored.unwrap_or(Bucket {
            tokens: u64::from(config.max_tokens.get()),
            filled_at: now,
        });
        bucket.fill(config, now);
        let wait = match bucket.tokens.checked_sub(1) {
            Some(left) => {
                bucket.tokens = left;
                None
            }
            None => Some(Duration::from_nanos(
                bucket.filled_at + interval(config) - now,
            )),
        };
        if stored == Some(bucket) {
            return Ok(wait);
        }
        match set_shared_data(key, Some(&bucket.bytes()), version) {
            // Another worker thread was faster: look at what it left.
            Err(Status::CasMismatch) => continue,
            result => return result.map(|()| wait),
        }
    }
}

impl Bucket {
    /// Adds the tokens of the intervals that have passed since the last fill.
    fn fill(&mut self, config: &Config, now: u64) {
        let most = u64::from(config.max_tokens.get());
        // A clock that was set back brings nothing.
        self.filled_at = self.filled_at.min(now);
        let intervals = (now - self.filled_at) / interval(config);
        self.filled_at += intervals * interval(config);
        let new = intervals.saturating_mul(u64::from(config.tokens_per_fill.get()));
        self.tokens = self.tokens.saturating_add(new).min(most);
    }

    fn read(data: &[u8]) -> Option<Self> {
        let data: &[u8; 16] = data.try_into().ok()?;
        let both = u128::from_le_bytes(*data);
        Some(Self {
            tokens: both as u64,
            filled_at: (both >> 64) as u64,
        })
    }

    fn bytes(self) -> [u8; 16] {
        (u128::from(self.filled_at) << 64 | u128::from(self.tokens)).to_le_bytes()
    }
}

fn interval(config: &Config) -> u64 {
    config.fill_interval.0.as_nanos() as u64
}
