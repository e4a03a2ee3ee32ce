//! What a PATCH of candidates and credentials asks for.

use tally_rtc::sdp::Fragment;
use tally_rtc::transport::Credentials;

use crate::http::problem::Problem;

/// What a fragment asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To try these addresses too (W8).
    Candidates(Vec<String>),
    /// A new ICE session with these credentials and addresses (W9).
    Restart(Credentials, Vec<String>),
}

/// Reads a fragment.
///
/// # Errors
/// 400 when it is none (W8).
pub(super) fn read(text: &str) -> Result<Fragment, Problem> {
    Fragment::parse(text).map_err(|error| Problem::bad_request(&error.to_string()))
}

/// What a fragment asks of a session whose peer has these credentials. Other ones ask for a restart
/// also where the request names the present ICE session by its tag (WHEP draft, ICE restarts).
pub(super) fn asked(fragment: Fragment, current: &Credentials) -> Asked {
    let restarts = fragment.is_restart(current);
    let candidates = fragment.candidates.iter().map(ToString::to_string).collect();
    match fragment.credentials.filter(|_| restarts) {
        Some(credentials) => Asked::Restart(credentials, candidates),
        None => Asked::Candidates(candidates),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn current() -> Credentials {
        Credentials { ufrag: "EsAw".to_owned(), pwd: "P2uYro0UCOQ4zxjKXaWCBui1".to_owned() }
    }

    fn asked_by(text: &str) -> Asked {
        asked(read(text).unwrap(), &current())
    }

    const HOST: &str = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n";

    /// W8
    #[test]
    fn candidates_are_candidates_with_and_without_the_present_credentials() {
        let named = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n";
        for text in [HOST.to_owned(), format!("{named}{HOST}")] {
            let Asked::Candidates(candidates) = asked_by(&text) else { panic!("{text}") };
            assert_eq!(candidates.len(), 1);
            assert!(candidates[0].contains("192.0.2.1 61764 typ host"), "{candidates:?}");
        }
    }

    /// W8
    #[test]
    fn candidates_of_no_use_are_dropped_in_silence() {
        let text = "a=candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n";
        assert_eq!(asked_by(text), Asked::Candidates(Vec::new()));
        assert_eq!(asked_by("a=end-of-candidates\r\n"), Asked::Candidates(Vec::new()));
    }

    /// W9
    #[test]
    fn other_credentials_restart() {
        let text = format!("a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n{HOST}");
        let Asked::Restart(remote, candidates) = asked_by(&text) else { panic!() };
        assert_eq!((remote.ufrag.as_str(), candidates.len()), ("ysXw", 1));
    }

    /// W8
    #[test]
    fn what_is_no_fragment_is_refused() {
        for text in ["", "hello", "a=ice-ufrag:only\r\n", "v=0\r\n"] {
            assert_eq!(read(text).unwrap_err().into_response().status(), 400, "{text}");
        }
    }
}
