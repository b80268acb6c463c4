//! Why a request does not pass.

use std::fmt;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    NoToken,
    Malformed,
    Algorithm,
    UnknownKey,
    Signature,
    NoExpiry,
    Expired,
    NotYet,
    Issuer,
    Audience,
    NoKeys,
}

impl Refusal {
    /// The status of the answer, and its `www-authenticate` (RFC 6750, section 3).
    pub fn status_and_challenge(self) -> (u32, Option<&'static str>) {
        match self {
            Self::NoKeys => (503, None),
            Self::NoToken => (401, Some("Bearer")),
            _ => (401, Some("Bearer error=\"invalid_token\"")),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoToken => "a token is needed",
            Self::Malformed => "the token is malformed",
            Self::Algorithm => "the token's algorithm is not accepted",
            Self::UnknownKey => "the token's key is not known",
            Self::Signature => "the token's signature is wrong",
            Self::NoExpiry => "the token does not expire",
            Self::Expired => "the token has expired",
            Self::NotYet => "the token is not valid yet",
            Self::Issuer => "the token's issuer is not accepted",
            Self::Audience => "the token's audience is not accepted",
            Self::NoKeys => "the keys for tokens cannot be fetched",
        })
    }
}
