//! Tokens (JSON Web Tokens, RFC 7519, HMAC-SHA-256): which session a heartbeat may speak for, and who a
//! viewer is.
//!
//! | token | made by | says | lives |
//! |---|---|---|---|
//! | session | this server, with each session | session, show, viewer | [`SESSION_TOKEN_MS`], renewed on the way |
//! | device | this server, for who has none | a random viewer | 400 days, renewed on the way |
//! | account | the shop's own server, with the secret of `auth.viewer_key_file` | the shop's name of the viewer | as the shop likes |

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tally_watch::{AGE_MS_MAX, Basis, Credential, PlaybackSession, SessionId, ShowId, ViewerKey};

use crate::identity::{prefix, viewer_key};
use crate::sessions::started_at_ms;
use crate::{Outside, SigningKeys};

/// How long a session's token is good for. Longer than a heartbeat may be old, so that a player that
/// was offline for as long as counts can still show its token.
pub const SESSION_TOKEN_MS: i64 = AGE_MS_MAX + 300_000;

/// A session's token is renewed with the first heartbeat after this much of its life.
const RENEW_AFTER_MS: i64 = 120_000;

/// Browsers keep no cookie longer than 400 days either.
const DEVICE_TOKEN_MS: i64 = 400 * 24 * 3600 * 1000;

/// A device's token is renewed with the first session after this much of its life.
const DEVICE_RENEW_AFTER_MS: i64 = 30 * 24 * 3600 * 1000;

/// Longest token that is looked at. Ours have 400 bytes; a shop may have put more into its own.
const TOKEN_BYTES_MAX: usize = 4096;

/// Longest name of a viewer, in bytes.
const VIEWER_BYTES_MAX: usize = 256;

const SESSION: &str = "tally-session";
const DEVICE: &str = "tally-device";
const ACCOUNT: &str = "tally";

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this kind, tampered with, or signed with a key that is gone.
    #[error("the token is not valid here")]
    Invalid,
    /// It was valid once.
    #[error("the token has expired")]
    Expired,
    /// The name of a viewer is empty or too long.
    #[error("a viewer's name has 1 to {VIEWER_BYTES_MAX} bytes")]
    BadName,
    /// Only a token from the shop opens a session here.
    #[error("this server plays to signed viewers only: `viewer` must be a signed identity")]
    NotSigned,
}

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The key all of the viewer's sessions have.
    pub key: ViewerKey,
    /// How well it is known.
    pub kind: ViewerKind,
}

/// How well a viewer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewerKind {
    /// By the shop's signature. Its token plays in one session at a time: `lease` names the token.
    Account {
        /// The same for every use of one token.
        lease: u64,
    },
    /// By a token of this server.
    Device,
    /// By a name it gave itself. Anybody can have any number of devices too, so this is no weaker.
    Named,
}

/// What a valid session token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionGrant {
    /// The session as it was minted.
    pub session: PlaybackSession,
    /// The show it is for.
    pub show: ShowId,
    /// The lease it plays under, if its viewer's token has one.
    pub lease: Option<u64>,
    /// When the token was made, in Unix milliseconds.
    pub issued_at_ms: i64,
    /// When it ends, in Unix milliseconds.
    pub expires_at_ms: i64,
}

impl SessionGrant {
    /// For [`tally_watch::admit`].
    #[must_use]
    pub const fn credential(&self) -> Credential {
        Credential {
            signature_valid: true,
            show: self.show,
            session: self.session.id,
            expires_at_ms: self.expires_at_ms,
        }
    }

    /// It is time for the next one.
    #[must_use]
    pub const fn is_due(&self, now_ms: i64) -> bool {
        now_ms - self.issued_at_ms >= RENEW_AFTER_MS
    }
}

/// Claims of a session's token. Numbers of 64 and 128 bits travel as hexadecimal text: JSON's numbers
/// lose their last digits in JavaScript.
#[derive(Serialize, Deserialize)]
struct SessionClaims {
    aud: String,
    sid: String,
    shw: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vwr: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lse: Option<String>,
    /// Milliseconds, where the standard's own `iat` counts seconds.
    iat_ms: i64,
    exp: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Claims of a device's token.
#[derive(Serialize, Deserialize)]
struct DeviceClaims {
    aud: String,
    sub: String,
    iat: i64,
    exp: i64,
}

/// Claims of a shop's token, as far as they are read.
#[derive(Deserialize)]
struct AccountClaims {
    sub: String,
    exp: i64,
    #[serde(default)]
    jti: Option<String>,
    /// The one creator it is good for.
    #[serde(default)]
    handle: Option<String>,
}

/// Makes and reads tokens. Clones share the keys.
#[derive(Clone)]
pub struct Tokens {
    keys: Arc<SigningKeys>,
    /// Verifies what the shop signed.
    accounts: Option<Arc<DecodingKey>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("accounts", &self.accounts.is_some()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Tokens signed with `keys`; `account_secret` is what the shop signs its viewers with.
    #[must_use]
    pub fn new(keys: Arc<SigningKeys>, account_secret: Option<&[u8]>) -> Self {
        let accounts = account_secret.map(|secret| Arc::new(DecodingKey::from_secret(secret)));
        Self { keys, accounts }
    }

    /// A token that lets its holder speak for `session`.
    #[must_use]
    pub fn session(
        &self,
        session: &PlaybackSession,
        show: ShowId,
        lease: Option<u64>,
        now_ms: i64,
    ) -> String {
        self.sign(&SessionClaims {
            aud: SESSION.to_owned(),
            sid: format!("{:016x}", session.id.0),
            shw: format!("{:016x}", show.0),
            vwr: session.viewer.map(|viewer| format!("{:032x}", viewer.0)),
            cached: session.basis == Basis::Cached,
            lse: lease.map(|lease| format!("{lease:016x}")),
            iat_ms: now_ms,
            exp: (now_ms + SESSION_TOKEN_MS) / 1000,
        })
    }

    /// Reads a session's token.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] or [`TokenError::Expired`].
    pub fn read_session(&self, token: &str, now_ms: i64) -> Result<SessionGrant, TokenError> {
        let claims: SessionClaims = self.verify(token, SESSION)?;
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| TokenError::Invalid);
        let viewer = claims.vwr.as_deref().map(|text| u128::from_str_radix(text, 16));
        let id = SessionId(number(&claims.sid)?);
        let grant = SessionGrant {
            session: PlaybackSession {
                id,
                viewer: viewer.transpose().map_err(|_| TokenError::Invalid)?.map(ViewerKey),
                started_at_ms: started_at_ms(id),
                basis: if claims.cached { Basis::Cached } else { Basis::Direct },
            },
            show: ShowId(number(&claims.shw)?),
            lease: claims.lse.as_deref().map(number).transpose()?,
            issued_at_ms: claims.iat_ms,
            expires_at_ms: claims.exp.saturating_mul(1000),
        };
        if now_ms >= grant.expires_at_ms { Err(TokenError::Expired) } else { Ok(grant) }
    }

    /// A token for a viewer who has none, and the viewer.
    #[must_use]
    pub fn device(&self, outside: &Outside) -> (String, Viewer) {
        let name = format!("{:032x}", u128::from_be_bytes(outside.random()));
        let viewer = Viewer { key: viewer_key("device", &name), kind: ViewerKind::Device };
        (self.sign_device(name, outside.now_ms()), viewer)
    }

    fn sign_device(&self, name: String, now_ms: i64) -> String {
        let exp = (now_ms + DEVICE_TOKEN_MS) / 1000;
        self.sign(&DeviceClaims { aud: DEVICE.to_owned(), sub: name, iat: now_ms / 1000, exp })
    }

    /// Reads what a player sent as `viewer` for a show of `handle`: a token of the shop's, a token of
    /// ours, or any other text as a name. Also gives the token to send next time, when it is due.
    ///
    /// # Errors
    /// [`TokenError`]; a token that is not valid is never taken for a name.
    pub fn viewer(
        &self,
        text: &str,
        handle: &str,
        now_ms: i64,
    ) -> Result<(Viewer, Option<String>), TokenError> {
        if text.bytes().filter(|&byte| byte == b'.').count() != 2 || !text.starts_with("eyJ") {
            if text.is_empty() || text.len() > VIEWER_BYTES_MAX {
                return Err(TokenError::BadName);
            }
            return Ok((Viewer { key: viewer_key("name", text), kind: ViewerKind::Named }, None));
        }
        if let Ok(claims) = self.verify::<DeviceClaims>(text, DEVICE) {
            let is_due = now_ms - claims.iat.saturating_mul(1000) >= DEVICE_RENEW_AFTER_MS;
            if now_ms >= claims.exp.saturating_mul(1000) {
                return Err(TokenError::Expired);
            }
            let key = viewer_key("device", &claims.sub);
            let next = is_due.then(|| self.sign_device(claims.sub, now_ms));
            return Ok((Viewer { key, kind: ViewerKind::Device }, next));
        }
        Ok((self.account(text, handle, now_ms)?, None))
    }

    fn account(&self, token: &str, handle: &str, now_ms: i64) -> Result<Viewer, TokenError> {
        let key = self.accounts.as_deref().ok_or(TokenError::Invalid)?;
        let claims: AccountClaims = decode(token, key, ACCOUNT)?;
        if claims.handle.is_some_and(|only| only != handle) {
            return Err(TokenError::Invalid);
        }
        if claims.sub.is_empty() || claims.sub.len() > VIEWER_BYTES_MAX {
            return Err(TokenError::BadName);
        }
        if now_ms >= claims.exp.saturating_mul(1000) {
            return Err(TokenError::Expired);
        }
        let name = claims.jti.as_deref().unwrap_or(token);
        let lease = u64::from_be_bytes(prefix(&["lease:", &claims.sub, ":", name]));
        let key = viewer_key("account", &claims.sub);
        Ok(Viewer { key, kind: ViewerKind::Account { lease } })
    }

    fn sign(&self, claims: &impl Serialize) -> String {
        let key = self.keys.newest();
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, claims, &key.encoding)
            .expect("claims made here are JSON, and a secret fits HMAC")
    }

    fn verify<T: DeserializeOwned>(&self, token: &str, audience: &str) -> Result<T, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let key = header.kid.and_then(|id| self.keys.by_id(&id)).ok_or(TokenError::Invalid)?;
        decode(token, &key.decoding, audience)
    }
}

/// Checks the signature and whom the token is for. When it ends is checked by the caller, who has the
/// clock.
fn decode<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    audience: &str,
) -> Result<T, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Invalid);
    }
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["exp", "aud"]);
    rules.validate_exp = false;
    let decoded = jsonwebtoken::decode(token, key, &rules).map_err(|_| TokenError::Invalid)?;
    Ok(decoded.claims)
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
