//! Numbers in the configuration.

use serde::Deserialize;

/// A whole number from `MIN` to `MAX`; `DEFAULT` where it may be left out.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub struct Within<const MIN: u32, const MAX: u32, const DEFAULT: u32 = MIN>(u32);

impl<const MIN: u32, const MAX: u32, const DEFAULT: u32> Within<MIN, MAX, DEFAULT> {
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32, const DEFAULT: u32> Default for Within<MIN, MAX, DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const MIN: u32, const MAX: u32, const DEFAULT: u32> TryFrom<u64>
    for Within<MIN, MAX, DEFAULT>
{
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        match u32::try_from(number) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(format!("{number} is not between {MIN} and {MAX}")),
        }
    }
}
