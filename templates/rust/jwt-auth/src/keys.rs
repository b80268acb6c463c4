//! Public keys that tokens are signed with (RFC 7517).

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use p256::ecdsa;
use p256::EncodedPoint;
use rsa::pkcs1v15;
use rsa::signature::Verifier;
use rsa::{BigUint, RsaPublicKey};
use serde::Deserialize;
use sha2::Sha256;

/// The two that are accepted. `none` is no algorithm, and those with a shared secret would take a public key for one.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// A key as it stands in a key set; what else stands there does not matter.
#[derive(Deserialize)]
pub struct Jwk {
    kty: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

impl Jwks {
    /// The keys that can be used.
    pub fn usable(self) -> Vec<Key> {
        self.keys.into_iter().filter_map(Key::new).collect()
    }
}

/// A key, which is used for its own algorithm only.
pub struct Key {
    kid: Option<String>,
    verifier: VerifyingKey,
}

enum VerifyingKey {
    Rsa(pkcs1v15::VerifyingKey<Sha256>),
    P256(ecdsa::VerifyingKey),
}

/// RSA with less than that is not safe any more (RFC 7518, section 3.3).
const LEAST_RSA_BITS: usize = 2048;

impl Key {
    fn new(jwk: Jwk) -> Option<Self> {
        let verifier = match (jwk.kty.as_deref()?, jwk.crv.as_deref()) {
            ("RSA", _) => VerifyingKey::Rsa(rsa_key(&jwk)?),
            ("EC", Some("P-256")) => VerifyingKey::P256(p256_key(&jwk)?),
            _ => return None,
        };
        let key = Self {
            kid: jwk.kid,
            verifier,
        };
        let for_signatures = jwk.purpose.is_none_or(|purpose| purpose == "sig");
        let for_algorithm = jwk
            .alg
            .is_none_or(|name| Algorithm::named(&name) == Some(key.algorithm()));
        (for_signatures && for_algorithm).then_some(key)
    }

    /// Whether a token may be signed with the key. One that names no key may be signed with any.
    pub fn fits(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        self.algorithm() == algorithm && (kid.is_none() || kid == self.kid.as_deref())
    }

    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            VerifyingKey::Rsa(key) => pkcs1v15::Signature::try_from(signature)
                .and_then(|signature| key.verify(message, &signature))
                .is_ok(),
            VerifyingKey::P256(key) => ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.verify(message, &signature))
                .is_ok(),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self.verifier {
            VerifyingKey::Rsa(_) => Algorithm::Rs256,
            VerifyingKey::P256(_) => Algorithm::Es256,
        }
    }
}

fn rsa_key(jwk: &Jwk) -> Option<pkcs1v15::VerifyingKey<Sha256>> {
    let modulus = BigUint::from_bytes_be(&decode(&jwk.n)?);
    let exponent = BigUint::from_bytes_be(&decode(&jwk.e)?);
    if modulus.bits() < LEAST_RSA_BITS {
        return None;
    }
    Some(pkcs1v15::VerifyingKey::new(
        RsaPublicKey::new(modulus, exponent).ok()?,
    ))
}

fn p256_key(jwk: &Jwk) -> Option<ecdsa::VerifyingKey> {
    let (x, y) = (
        <[u8; 32]>::try_from(decode(&jwk.x)?).ok()?,
        <[u8; 32]>::try_from(decode(&jwk.y)?).ok()?,
    );
    let point = EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
    ecdsa::VerifyingKey::from_encoded_point(&point).ok()
}

fn decode(part: &Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part.as_deref()?).ok()
}
