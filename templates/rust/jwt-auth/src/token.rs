//! A token in compact form (RFC 7515, section 7.1): three parts in base64url, with dots between them.

use crate::claims::Claims;
use crate::keys::{Algorithm, Key};
use crate::refusal::Refusal;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde_json::{Map, Value};
use std::rc::Rc;

/// A token of which nothing is believed yet.
pub struct Token {
    algorithm: Algorithm,
    kid: Option<String>,
    /// What is signed: header and payload as they came.
    signed: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// The token in an `authorization` header.
pub fn bearer(authorization: &[u8]) -> Result<&[u8], Refusal> {
    let (scheme, rest) = authorization.split_at(authorization.len().min(7));
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Err(Refusal::NoToken);
    }
    let blanks = rest.iter().take_while(|&&byte| byte == b' ').count();
    Ok(&rest[blanks..])
}

impl Token {
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(text).map_err(|_| Refusal::Malformed)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = (decode(header)?, decode(payload)?);
        let signature = decode(signature)?;
        let header: Map<String, Value> =
            serde_json::from_slice(&header).map_err(|_| Refusal::Malformed)?;
        // "crit" names extensions that must be understood; none is here.
        if header.contains_key("crit") {
            return Err(Refusal::Malformed);
        }
        let kid = match header.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().ok_or(Refusal::Malformed)?.to_owned()),
        };
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .ok_or(Refusal::Malformed)?;
        let algorithm = Algorithm::named(algorithm).ok_or(Refusal::Algorithm)?;
        Ok(Self {
            algorithm,
            kid,
            signed: signed.to_owned(),
            payload,
            signature,
        })
    }

    /// The claims, once one of the keys for the key id and the algorithm has signed them.
    pub fn verify(
        &self,
        find: impl FnOnce(Option<&str>, Algorithm) -> Vec<Rc<Key>>,
    ) -> Result<Claims, Refusal> {
        let keys = find(self.kid.as_deref(), self.algorithm);
        if keys.is_empty() {
            return Err(Refusal::UnknownKey);
        }
        if !keys
            .iter()
            .any(|key| key.has_signed(self.signed.as_bytes(), &self.signature))
        {
            return Err(Refusal::Signature);
        }
        Claims::parse(&self.payload)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)
}
