//! What each token is good for, and what it is not.

use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::*;
use crate::outside::tests::outside_at;
use crate::sessions::{SessionKind, Sessions};

const NOW_MS: i64 = 1_795_000_000_000;
const SECRET: &[u8] = b"a secret that the shop and the server share";

fn tokens() -> Tokens {
    Tokens::new(Arc::new(SigningKeys::ephemeral(&outside_at(NOW_MS))), Some(SECRET))
}

fn session() -> PlaybackSession {
    let outside = outside_at(NOW_MS);
    let sessions = Sessions::new(Arc::new(SigningKeys::ephemeral(&outside)), &outside);
    PlaybackSession {
        id: sessions.mint(SessionKind::Asked, NOW_MS),
        viewer: Some(ViewerKey(u128::MAX - 1)),
        started_at_ms: NOW_MS,
        basis: Basis::Cached,
    }
}

fn account(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn claims(changed: Value) -> String {
    let mut claims = json!({ "aud": "tally", "sub": "ann", "exp": NOW_MS / 1000 + 60 });
    claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    account(&claims)
}

#[test]
fn a_session_token_says_what_the_session_is_until_it_ends() {
    let tokens = tokens();
    let show = ShowId(u64::MAX);
    let token = tokens.session(&session(), show, Some(7), NOW_MS);
    let grant = tokens.read_session(&token, NOW_MS + SESSION_TOKEN_MS - 1_000).unwrap();
    let PlaybackSession { viewer, started_at_ms, basis, .. } = grant.session;
    assert_eq!((viewer, started_at_ms, basis), (session().viewer, NOW_MS, Basis::Cached));
    assert_eq!((grant.show, grant.lease), (show, Some(7)));
    assert!(!grant.is_due(NOW_MS) && grant.is_due(NOW_MS + RENEW_AFTER_MS));
    let ended = tokens.read_session(&token, NOW_MS + SESSION_TOKEN_MS);
    assert_eq!(ended, Err(TokenError::Expired));
}

#[test]
fn no_changed_byte_and_no_other_key_is_taken() {
    let ours = tokens();
    let token = ours.session(&session(), ShowId(1), None, NOW_MS);
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let read = ours.read_session(&String::from_utf8(changed).unwrap(), NOW_MS);
        assert_eq!(read, Err(TokenError::Invalid), "byte {at}");
    }
    assert_eq!(tokens().read_session(&token, NOW_MS), Err(TokenError::Invalid));
    let [_, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    assert_eq!(ours.read_session(&unsigned, NOW_MS), Err(TokenError::Invalid));
    let empty = format!("eyJhbGciOiJIUzI1NiJ9.{payload}.{signature}");
    assert_eq!(ours.read_session(&empty, NOW_MS), Err(TokenError::Invalid));
}

#[test]
fn tokens_of_one_kind_do_not_pass_for_another() {
    let tokens = tokens();
    let (device, _) = tokens.device(&outside_at(NOW_MS));
    assert_eq!(tokens.read_session(&device, NOW_MS), Err(TokenError::Invalid));
    let session = tokens.session(&session(), ShowId(1), None, NOW_MS);
    assert_eq!(tokens.viewer(&session, "alice", NOW_MS), Err(TokenError::Invalid));
    assert_eq!(tokens.read_session(&claims(json!({})), NOW_MS), Err(TokenError::Invalid));
}

#[test]
fn a_device_stays_one_viewer_and_its_token_is_renewed() {
    let tokens = tokens();
    let (token, device) = tokens.device(&outside_at(NOW_MS));
    assert_eq!(tokens.viewer(&token, "alice", NOW_MS), Ok((device, None)));
    let later_ms = NOW_MS + DEVICE_RENEW_AFTER_MS;
    let (again, next) = tokens.viewer(&token, "bob", later_ms).unwrap();
    let (last, _) = tokens.viewer(&next.unwrap(), "bob", later_ms + DEVICE_TOKEN_MS - 1).unwrap();
    assert_eq!((again, last), (device, device));
    let ended = tokens.viewer(&token, "bob", NOW_MS + DEVICE_TOKEN_MS);
    assert_eq!(ended, Err(TokenError::Expired));
    assert_ne!(tokens.device(&outside_at(NOW_MS)).1.key, device.key);
}

#[test]
fn an_account_is_who_the_shop_says() {
    let tokens = tokens();
    let read = |text: &str| tokens.viewer(text, "alice", NOW_MS).map(|(viewer, _)| viewer);
    let ann = read(&claims(json!({}))).unwrap();
    assert_eq!(read(&claims(json!({ "handle": "alice" }))).unwrap().key, ann.key);
    assert_eq!(read(&claims(json!({ "handle": "bob" }))), Err(TokenError::Invalid));
    assert_eq!(read(&claims(json!({ "aud": "other" }))), Err(TokenError::Invalid));
    assert_eq!(read(&claims(json!({ "exp": NOW_MS / 1000 }))), Err(TokenError::Expired));
    assert_eq!(read(&claims(json!({ "sub": "" }))), Err(TokenError::BadName));
    assert_ne!(read(&claims(json!({ "sub": "bea" }))).unwrap().key, ann.key);

    let named = claims(json!({ "jti": "1" }));
    assert_eq!(read(&named).unwrap().kind, read(&named).unwrap().kind);
    assert_ne!(read(&named).unwrap().kind, read(&claims(json!({ "jti": "2" }))).unwrap().kind);
    let without = Tokens::new(Arc::clone(&tokens.keys), None);
    assert_eq!(without.viewer(&named, "alice", NOW_MS), Err(TokenError::Invalid));
}

#[test]
fn any_other_text_is_a_name() {
    let tokens = tokens();
    let (named, next) = tokens.viewer("ann", "alice", NOW_MS).unwrap();
    assert_eq!((named.kind, next), (ViewerKind::Named, None));
    assert_ne!(named.key, tokens.viewer(&claims(json!({})), "alice", NOW_MS).unwrap().0.key);
    assert_eq!(tokens.viewer("", "alice", NOW_MS), Err(TokenError::BadName));
    let long = "x".repeat(VIEWER_BYTES_MAX + 1);
    assert_eq!(tokens.viewer(&long, "alice", NOW_MS), Err(TokenError::BadName));
}
