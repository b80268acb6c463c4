//! How a visitor is dealt to a variant: without a memory, and the same in every proxy.

use crate::config::Config;

/// The place of the variant that a key belongs to.
pub fn choose(config: &Config, key: &[u8]) -> usize {
    let weights = config
        .variants
        .iter()
        .map(|variant| u64::from(variant.weight.get()));
    let mut left = hash(&[config.experiment.as_bytes(), b"\n", key]) % weights.clone().sum::<u64>();
    for (place, weight) in weights.enumerate() {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return place,
        }
    }
    0
}

/// FNV-1a (64 bits) over all parts, then the last step of MurmurHash3, so that keys that differ in their last letter
/// end far apart.
pub fn hash(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().copied().flatten();
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
